// What makes the way of a draft pleasanter; every form works without it.

const area = (element) => element.closest("form");

// Merge fields: a button puts its text where the cursor is, in a way that can be undone.
document.addEventListener("click", (event) => {
  const chip = event.target.closest("[data-insert]");
  if (!chip) return;
  const text = area(chip).querySelector("textarea");
  text.focus();
  if (!document.execCommand("insertText", false, chip.dataset.insert)) {
    text.setRangeText(chip.dataset.insert, text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }
});

// A button that starts something says so, and starts it once.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button?.dataset.busy || event.defaultPrevented) return;
  if (button.getAttribute("aria-disabled") === "true") {
    event.preventDefault();
    return;
  }
  button.setAttribute("aria-disabled", "true");
  button.textContent = button.dataset.busy;
});

// Back from another page, where a browser may show the page as it was left.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

class Upload {
  constructor(form) {
    this.form = form;
    this.file = form.querySelector("input[type=file]");
    this.state = form.querySelector(".upload-state");
    this.bar = form.querySelector("progress");
    this.told = form.querySelector("[data-told]");
    this.problem = form.querySelector("[data-problem]");
    this.busy = false;
    form.classList.add("lively");
    this.file.addEventListener("change", () => this.file.files.length && this.send(this.file.files[0]));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.file.files.length) this.send(this.file.files[0]);
    });
    for (const name of ["dragenter", "dragover"]) {
      form.addEventListener(name, (event) => {
        event.preventDefault();
        form.classList.add("over");
      });
    }
    form.addEventListener("dragleave", (event) => {
      if (!form.contains(event.relatedTarget)) form.classList.remove("over");
    });
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      form.classList.remove("over");
      if (event.dataTransfer.files.length) this.send(event.dataTransfer.files[0]);
    });
  }

  send(file) {
    if (this.busy) return;
    this.problem.hidden = true;
    if (file.size > Number(this.form.dataset.most)) {
      this.fail(this.form.dataset.tooLarge);
      return;
    }
    this.busy = true;
    this.form.classList.add("busy");
    this.state.hidden = false;
    this.bar.value = 0;
    const body = new FormData();
    body.append("csrf", this.form.elements.csrf.value);
    body.append("list", file, file.name);
    const request = new XMLHttpRequest();
    request.open("POST", this.form.action);
    request.setRequestHeader("X-CSRF-Token", this.form.elements.csrf.value);
    request.upload.addEventListener("progress", (event) => event.lengthComputable && this.tell(event.loaded / event.total, file));
    request.addEventListener("load", () => {
      if (request.status < 400) window.location.assign(request.responseURL);
      else this.fail(request.responseText.slice(0, 2000));
    });
    request.addEventListener("error", () => this.fail(this.form.dataset.broken));
    request.addEventListener("abort", () => this.fail(this.form.dataset.broken));
    request.send(body);
  }

  tell(share, file) {
    const percent = Math.floor(100 * share);
    if (percent < 100) {
      this.bar.value = percent;
      if (percent % 5 === 0) this.told.textContent = `${file.name}: ${percent} %`;
    } else {
      this.bar.removeAttribute("value");
      this.told.textContent = this.form.dataset.reading;
    }
  }

  fail(sentence) {
    this.busy = false;
    this.form.classList.remove("busy");
    this.state.hidden = true;
    this.file.value = "";
    this.problem.textContent = sentence;
    this.problem.hidden = false;
  }
}

const liven = () => {
  for (const form of document.querySelectorAll("form[data-upload]:not(.lively)")) new Upload(form);
};

// A file that misses the place for it must not take the page's place.
for (const name of ["dragover", "drop"]) {
  window.addEventListener(name, (event) => event.preventDefault());
}

liven();
document.addEventListener("htmx:after:swap", liven);
