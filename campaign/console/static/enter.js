// The key is taken out of the address and the history before it is used.
history.replaceState(null, "", "/enter");
document.querySelector("[data-enter]")?.requestSubmit();
