// Sends a chosen file as the raw body of a request; without this script, the form sends the text of its field.
"use strict";
(() => {
  const form = document.getElementById("upload");
  const part = document.getElementById("o-file-part");
  const file = document.getElementById("o-file");
  const note = document.getElementById("upload-note");
  const name = form.elements.namedItem("name");
  part.hidden = false;
  file.addEventListener("change", () => {
    if (file.files.length && !name.value) name.value = file.files[0].name.replace(/[^A-Za-z0-9._-]/g, "-");
  });
  form.addEventListener("submit", async (event) => {
    if (!file.files.length) return;
    event.preventDefault();
    note.textContent = "Sending...";
    const type = form.elements.namedItem("content_type").value;
    const answer = await fetch(`${form.dataset.to}${encodeURIComponent(name.value)}?content_type=${type}`, {
      method: "PUT",
      headers: {
        "Content-Type": "application/octet-stream",
        "X-CSRF-Token": form.elements.namedItem("csrf_token").value,
      },
      body: file.files[0],
    }).catch(() => null);
    const found = answer && (await answer.json().catch(() => null));
    if (!answer || !answer.ok || !found) {
      note.textContent = (found && found.error) || "The file was not stored: the connection failed.";
      return;
    }
    const done = found.changed ? "stored" : "unchanged";
    window.location.assign(`${form.dataset.page}${encodeURIComponent(found.name)}?done=${done}`);
  });
})();
