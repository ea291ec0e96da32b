// Expressions in SQL that tell one version of code of a user's, in rows of PostgreSQL's catalogue.

/** Of a trigger `t` and its function `p`. */
export const triggerVersion =
  "pg_catalog.concat_ws(':', 'trigger', t.oid, t.xmin, t.tgenabled, p.oid, p.xmin)";

/** Of an event trigger `e`. */
export const eventTriggerVersion =
  "pg_catalog.concat_ws(':', 'event trigger', e.oid, e.xmin, e.evtenabled)";

/** The event triggers `e` that statements which change the schema may fire. */
export const firedBySchema = "e.evtenabled <> 'D' and e.evtevent <> 'login'";

/** Of a function `p`. */
export const functionVersion = "pg_catalog.concat_ws(':', 'function', p.oid, p.xmin)";
