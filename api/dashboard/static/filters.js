"use strict";
// Names for filters of a list. A filter is the query of the page's address, so it can be bookmarked and sent to others; this
// browser keeps the names, by user and page.

const filterBox = document.getElementById("saved-filters");
const MOST_FILTERS = 30;
// where a page of the list begins, and what has just been done, are no part of a filter
const PLACES = ["offset", "cursor", "after", "done", "host"];

function filterQuery() {
  const query = new URLSearchParams(location.search);
  for (const name of [...query.keys()]) if (PLACES.includes(name) || !query.get(name)) query.delete(name);
  query.sort();
  return query.toString();
}

function filterKey() {
  return `jobqueue-filters:${filterBox.dataset.user}:${location.pathname}`;
}

function storedFilters() {
  try {
    const found = JSON.parse(localStorage.getItem(filterKey()) || "[]");
    return found.filter((one) => typeof one.name === "string" && typeof one.query === "string");
  } catch {
    return []; // written by something else
  }
}

function storeFilters(filters) {
  localStorage.setItem(filterKey(), JSON.stringify(filters));
  showFilters();
}

function filterChip({ name, query }) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `${location.pathname}?${query}`;
  link.textContent = name;
  if (query === filterQuery()) link.setAttribute("aria-current", "true");
  const remove = document.createElement("button");
  remove.type = "button";
  remove.className = "plain remove";
  remove.textContent = "×";
  remove.setAttribute("aria-label", `Delete the filter ${name}`);
  remove.addEventListener("click", () => storeFilters(storedFilters().filter((one) => one.name !== name)));
  item.append(link, remove);
  return item;
}

function showFilters() {
  const filters = storedFilters();
  const query = filterQuery();
  const open = filterBox.querySelector("[data-do=open]");
  filterBox.querySelector("ul").replaceChildren(...filters.map(filterChip));
  open.hidden = !query || filters.some((one) => one.query === query) || filters.length >= MOST_FILTERS;
  filterBox.hidden = open.hidden && !filters.length;
}

if (filterBox) {
  const form = filterBox.querySelector("form");
  const open = filterBox.querySelector("[data-do=open]");
  const field = form.querySelector("input");
  open.addEventListener("click", () => {
    form.hidden = false;
    open.hidden = true;
    field.focus();
  });
  form.querySelector("[data-do=close]").addEventListener("click", () => {
    form.hidden = true;
    showFilters();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = field.value.trim();
    if (!name) return;
    const others = storedFilters().filter((one) => one.name !== name);
    form.hidden = true;
    field.value = "";
    storeFilters([...others, { name, query: filterQuery() }]);
    document.getElementById("announce").textContent = `The filter ${name} is saved in this browser.`;
  });
  showFilters();
}
