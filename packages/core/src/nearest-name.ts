/** The name that was probably meant; undefined where none is near. */
export function nearestName(typed: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  // A third of the letters wrong is a different word.
  let bestDistance = Math.max(1, Math.floor(typed.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(typed.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best;
}

/** What there is in place of a name that is not: the one that was probably meant, and all of them. */
export function knownNames(typed: string, names: Iterable<string>): string {
  const all = [...names];
  const nearest = nearestName(typed, all);
  return `${nearest === undefined ? '' : `did you mean ${JSON.stringify(nearest)}? `}known are ${all.join(', ')}`;
}

/** Letters to add, remove, change or take in another order (F. Damerau, 1964), three rows of the table at a time. */
function editDistance(a: string, b: string): number {
  let before: readonly number[] = [];
  let above: readonly number[] = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const changed = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const isSwapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swapped = isSwapped ? (before[column - 2] ?? Infinity) + 1 : Infinity;
      const moved = Math.min((above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1);
      current.push(Math.min(changed, swapped, moved));
    }
    [before, above] = [above, current];
  }
  return above[b.length] ?? 0;
}
