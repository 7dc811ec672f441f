"""Charts, tables, the page, exports. No torch."""
