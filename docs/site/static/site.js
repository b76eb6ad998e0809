// Summaries of search results are read from the pages that were found, which a browser refuses for pages of a folder.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
