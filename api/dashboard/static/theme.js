"use strict";
// Runs before the page is drawn, so that it does not flash in the other colours first.
{
  const chosen = localStorage.getItem("jobqueue-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
