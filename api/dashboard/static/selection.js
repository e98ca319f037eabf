"use strict";
// The check boxes in the list of agents: one button selects all that are shown, and the number of selected ones is named.

const selection = document.getElementById("selected");

function boxes() {
  return [...document.querySelectorAll("input[type=checkbox][form=selected]")];
}

function showSelection() {
  const all = boxes();
  const count = all.filter((box) => box.checked).length;
  const every = document.getElementById("select-all");
  every.hidden = !all.length;
  every.textContent = all.length && count === all.length ? "Select none" : "Select all shown";
  document.getElementById("selected-count").textContent = `${count} selected`;
}

if (selection) {
  document.getElementById("select-all").addEventListener("click", () => {
    const isAll = boxes().every((box) => box.checked);
    for (const box of boxes()) box.checked = !isAll;
    showSelection();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("input[type=checkbox][form=selected]")) showSelection();
  });
  addEventListener("pageshow", showSelection); // a browser that goes back keeps the ticks
  showSelection();
}
