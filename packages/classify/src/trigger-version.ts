/** An expression in SQL that tells one version of a trigger `t` and its function `p`, rows of PostgreSQL's catalogue. */
export const triggerVersion =
  "pg_catalog.concat_ws(':', t.oid, t.xmin, t.tgenabled, p.oid, p.xmin)";
