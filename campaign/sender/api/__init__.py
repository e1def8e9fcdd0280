"""The way to PassEntry: its address, the network to it, one request on the wire, and what an answer says."""
