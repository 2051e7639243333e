"""UI: the page at /ui, where a person fills in an application and sees the answer."""
