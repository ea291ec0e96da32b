import { describe, expect, test } from '@jest/globals';
import { CellBook } from './cell-book.ts';
import { ResumedPass } from './resumed-pass.ts';
import { ShapeBook } from './shape-book.ts';

const keys = 200;
const partRows = 10;

/** How often a count is looked at, which is read to see whether there is something new. */
function readsOf(counts: { calls: number }): () => number {
  let reads = 0;
  let { calls } = counts;
  Object.defineProperty(counts, 'calls', {
    get: () => {
      reads += 1;
      return calls;
    },
    set: (value: number) => {
      calls = value;
    },
  });
  return () => reads;
}

function shapesOfKeys(): ShapeBook {
  const book = new ShapeBook();
  for (let at = 0; at < keys; at += 1) shapeOf(book, at).calls += 1;
  return book;
}

function shapeOf(book: ShapeBook, at: number): ReturnType<ShapeBook['get']> {
  const dataset = `key-${String(at)}`;
  return book.get({ backend: 'b', dataset, operation: 'list', stage: 'shadow', shape: '' }, 1);
}

function cellsOfKeys(): CellBook {
  const book = new CellBook(2 * keys);
  for (let at = 0; at < keys; at += 1) cellOf(book, at).calls += 1;
  return book;
}

function cellOf(book: CellBook, at: number): ReturnType<CellBook['get']> {
  return book.get('b', `key-${String(at)}`, 'list', 'shadow', 1);
}

function storeShapes(book: ShapeBook): number {
  for (let stored = 0; ;) {
    const rows = book.unstored(partRows, 1);
    book.markStored(rows);
    stored += rows.length;
    if (rows.length < partRows) return stored;
  }
}

function storeCells(book: CellBook): number {
  for (let stored = 0; ;) {
    const { entries } = book.unstored(partRows);
    book.markStored(entries, 1);
    stored += entries.length;
    if (entries.length < partRows) return stored;
  }
}

describe('of many keys', () => {
  test('those with nothing new are looked at once or twice, however many parts the others are stored in', () => {
    const [shapes, cells] = [shapesOfKeys(), cellsOfKeys()];
    expect([storeShapes(shapes), storeCells(cells)]).toEqual([keys, keys]);
    const [ofShape, ofCell] = [readsOf(shapeOf(shapes, 0)), readsOf(cellOf(cells, 0))];
    for (let at = 1; at < keys; at += 1) {
      shapeOf(shapes, at).calls += 1;
      cellOf(cells, at).calls += 1;
    }
    expect([storeShapes(shapes), storeCells(cells)]).toEqual([keys - 1, keys - 1]);
    expect(ofShape()).toBeLessThanOrEqual(2);
    expect(ofCell()).toBeLessThanOrEqual(2);
  });

  test("a key's change of stage begins its own rows anew and looks at no other's", () => {
    const [shapes, cells] = [shapesOfKeys(), cellsOfKeys()];
    storeShapes(shapes);
    storeCells(cells);
    const [ofShape, ofCell] = [readsOf(shapeOf(shapes, 0)), readsOf(cellOf(cells, 0))];
    shapes.part('b', 'key-1', 2);
    cells.part('b', 'key-1');
    expect([ofShape(), ofCell()]).toEqual([0, 0]);
    for (const at of [1, 2]) {
      shapeOf(shapes, at).calls += 1;
      cellOf(cells, at).calls += 1;
    }
    expect(shapes.unstored(partRows, 2).map(({ totals }) => totals.calls)).toEqual([1, 2]);
    expect(cells.unstored(partRows).rows.map(({ counts }) => counts.calls)).toEqual([1, 2]);
  });
});

describe('a pass that is resumed', () => {
  function passOver(count: number): { dirty: Set<number>; pass: ResumedPass<number> } {
    const all = Array.from({ length: count }, (_, at) => at);
    return { dirty: new Set(all), pass: new ResumedPass(() => all.values()) };
  }

  test('finds again what was not stored', () => {
    const { dirty, pass } = passOver(4);
    const isDirty = (one: number): boolean => dirty.has(one);
    expect(pass.find(3, isDirty)).toEqual([0, 1, 2]);
    expect(pass.find(3, isDirty)).toEqual([0, 1, 2]);
  });

  test('finds all that is wanted once it finds less than it may, also before where it began', () => {
    const { dirty, pass } = passOver(4);
    const isDirty = (one: number): boolean => dirty.has(one);
    for (const one of pass.find(2, isDirty)) dirty.delete(one);
    pass.goOn();
    dirty.add(0);
    expect(pass.find(4, isDirty)).toEqual([2, 3, 0]);
  });
});
