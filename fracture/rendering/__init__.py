"""Results as people see them: pictures, pieces of a page, a report on one sheet."""
