// What the theme's and pandas' markup leaves unsaid to those who listen to a page.
document.addEventListener("DOMContentLoaded", () => {
  // The button's text is "Search Ctrl+K"; a shorter label hides the keys.
  document.querySelectorAll(".search-button__button").forEach((b) => b.removeAttribute("aria-label"));
  // A fold in the navigation bears an icon alone.
  document.querySelectorAll("nav details > summary").forEach((summary) => {
    const link = summary.parentElement.parentElement.querySelector("a");
    summary.setAttribute("aria-label", "Pages of " + (link ? link.textContent.trim() : "this section"));
  });
  // The corner of a table that heads nothing is no header.
  document.querySelectorAll("th").forEach((th) => {
    if (th.textContent.trim() === "") th.replaceWith(document.createElement("td"));
  });
});
