"""From readings to rows, a module a family of metrics: `head_rows` of one head, `method_rows` of all."""
