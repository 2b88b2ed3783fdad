// The widget's frame: goes to the visitor's session, an old one of this browser or a new one.
(async () => {
  const { client, host, failure } = document.documentElement.dataset;
  const name = `dragoman:${client}`;
  const query = host ? `?host=${encodeURIComponent(host)}` : "";
  const kept = read();
  if (kept) {
    const found = await fetch(`/api/v1/public/chat-clients/${encodeURIComponent(kept)}`).catch(() => null);
    if (found && found.ok) return go(kept);
  }
  const made = await fetch(`/embed/${encodeURIComponent(client)}/session${query}`, { method: "POST" }).catch(() => null);
  if (!made || !made.ok) {
    const notice = document.createElement("p");
    notice.className = "notice";
    notice.setAttribute("role", "alert");
    notice.textContent = failure;
    return document.getElementById("frame").replaceChildren(notice);
  }
  const { accessKey } = await made.json();
  try {
    localStorage.setItem(name, accessKey);
  } catch {
    // Without storage the next visit begins anew.
  }
  go(accessKey);

  function read() {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  }

  function go(key) {
    location.replace(`/chat/${encodeURIComponent(key)}${query}`);
  }
})();
