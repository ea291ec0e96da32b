import { posix } from 'node:path';
import { type SourceFile, sourceFiles } from './source-files.ts';

/** Files that import each other, each from `packages/`, in the order of their names. */
export type Circle = readonly string[];

const imports = /^(import|export)\s(type\s)?([^'";]*?\sfrom\s)?'(\.[^']+)';/gm;

/** The files that a file imports by a relative path. @param types whether those count of which only types are wanted. */
function importedBy({ path, text }: SourceFile, types: boolean): string[] {
  return [...text.matchAll(imports)].flatMap(([, , type, names = '', from = '']) => {
    const typesOnly =
      type !== undefined ||
      (names.includes('{') &&
        names
          .replace(/[{}]|\sfrom\s/g, '')
          .split(',')
          .map((name) => name.trim())
          .filter((name) => name !== '')
          .every((name) => name.startsWith('type ')));
    return typesOnly && !types ? [] : [posix.join(posix.dirname(path), from)];
  });
}

/**
 * The circles of files within a package, by Tarjan's strongly connected components.
 *
 * @param types whether imports of types alone count.
 */
export function importCircles(types: boolean): Circle[] {
  const files = sourceFiles(/^packages\/[^/]+\/src\/.*\.ts$/).filter(
    ({ path }) => !/\.test\.ts$|\/test-kit\//.test(path),
  );
  const imported = new Map(files.map((file) => [file.path, importedBy(file, types)]));
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const circles: Circle[] = [];
  const visit = (path: string): number => {
    const at = order.size;
    order.set(path, at);
    stack.push(path);
    let lowest = at;
    for (const next of imported.get(path) ?? []) {
      if (!imported.has(next)) continue;
      if (!order.has(next)) lowest = Math.min(lowest, visit(next));
      else if (stack.includes(next))
        lowest = Math.min(lowest, low.get(next) ?? order.get(next) ?? at);
      low.set(path, lowest);
    }
    low.set(path, lowest);
    if (lowest === at) {
      const circle = stack.splice(stack.indexOf(path));
      if (circle.length > 1)
        circles.push(circle.map((one) => one.replace(/^packages\//, '')).sort());
    }
    return lowest;
  };
  for (const path of imported.keys()) if (!order.has(path)) visit(path);
  return circles.sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
}
