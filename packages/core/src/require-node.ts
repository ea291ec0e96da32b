/** The first Node that has every built-in module that is used here, without a flag. */
const oldest = [22, 13] as const;

/**
 * Refuses a Node that this library can't run on, before anything fails for a reason that nobody would find.
 *
 * @param found `process.versions.node`.
 * @throws {Error} below 22.13.
 */
export function requireNode(found: string): void {
  const [major = 0, minor = 0] = found.split('.').map(Number);
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return;
  throw new Error(`Changeover needs Node ${oldest.join('.')} or newer; this is Node ${found}.`);
}

requireNode(process.versions.node);
