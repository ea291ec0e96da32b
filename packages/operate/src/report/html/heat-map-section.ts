import { countText, shortCountText, type TotalsBy, visibleText } from '@changeover/bridge';
import { firstOf, legend, markup, name, type Piece, type Section, table } from '../markup.ts';
import type { Report } from '../report.ts';

const mostBackends = 12;
const mostDatasets = 60;
const mostOperations = 30;
/** Comparisons below which a field without a mismatch is shown paler. */
const few = 100;

interface Field {
  compared: number;
  mismatch: number;
}

/** Where the mismatches are: operations by datasets, a backend at a time. */
export function heatMapSection({ data }: Report): Section {
  const compared = data.byBackend.filter((totals) => totals.compared > 0);
  const { shown, rest } = firstOf(
    compared.sort((a, b) => b.mismatch - a.mismatch),
    mostBackends,
    'backend',
    'backends',
  );
  return {
    id: 'heat-map',
    title: 'Mismatches by key and operation',
    content:
      shown.length === 0
        ? markup`<p>Nothing was compared.</p>`
        : [
            markup`<p class="soft">Each field: confirmed mismatches / comparisons.</p>`,
            legend([
              { fill: 'heat-few', label: `none, of fewer than ${few}` },
              { fill: 'heat-0', label: 'none' },
              { fill: 'heat-1', label: 'below 0.1 %' },
              { fill: 'heat-2', label: 'below 1 %' },
              { fill: 'heat-3', label: 'below 10 %' },
              { fill: 'heat-4', label: '10 % or more' },
              { fill: '', label: '– not compared' },
            ]),
            shown.map(({ backend }) =>
              backendMap(
                backend,
                data.cells.filter((cell) => cell.backend === backend && cell.compared > 0),
              ),
            ),
            rest,
          ],
  };
}

function backendMap(backend: string, cells: readonly TotalsBy[]): Piece {
  const fields = new Map<string, Map<string, Field>>();
  for (const { dataset = '', operation = '', compared, mismatch } of cells) {
    const row = fields.get(dataset) ?? new Map<string, Field>();
    const field = row.get(operation) ?? { compared: 0, mismatch: 0 };
    row.set(operation, {
      compared: field.compared + compared,
      mismatch: field.mismatch + mismatch,
    });
    fields.set(dataset, row);
  }
  const mismatches = (row: ReadonlyMap<string, Field>): number =>
    [...row.values()].reduce((sum, { mismatch }) => sum + mismatch, 0);
  // The worst first, so that what is left out is the least of it.
  const worst = [...fields].sort(
    ([a, x], [b, y]) => mismatches(y) - mismatches(x) || (a < b ? -1 : 1),
  );
  const rows = firstOf(worst, mostDatasets, 'key', 'keys');
  const operations = firstOf(
    operationsByMismatches(cells),
    mostOperations,
    'operation',
    'operations',
  );
  const at = (row: number, column: number): Field | undefined =>
    rows.shown[row]?.[1].get(operations.shown[column - 1] ?? '');
  return [
    markup`<h3>${name(visibleText(backend))}</h3>`,
    table(
      `Mismatches on ${visibleText(backend)}`,
      [{ title: 'key' }, ...operations.shown.map((operation) => ({ title: name(operation) }))],
      rows.shown.map(([dataset], row) => [
        name(dataset),
        ...operations.shown.map((_, column) => fieldText(at(row, column + 1))),
      ]),
      { kind: 'heat', cellKind: (row, column) => (column === 0 ? '' : heatOf(at(row, column))) },
    ),
    rows.rest,
    operations.rest,
  ];
}

function operationsByMismatches(cells: readonly TotalsBy[]): string[] {
  const counts = new Map<string, number>();
  for (const { operation = '', mismatch } of cells)
    counts.set(operation, (counts.get(operation) ?? 0) + mismatch);
  return [...counts]
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .map(([operation]) => operation);
}

function fieldText(field: Field | undefined): Piece {
  if (field === undefined) return '–';
  const { mismatch, compared } = field;
  return markup`<span title="${countText(mismatch)} mismatches of ${countText(compared)} comparisons">${shortCountText(
    mismatch,
  )} / ${shortCountText(compared)}</span>`;
}

function heatOf(field: Field | undefined): string {
  if (field === undefined) return 'heat-none';
  const { mismatch, compared } = field;
  if (mismatch === 0) return compared < few ? 'heat-few' : 'heat-0';
  const share = mismatch / compared;
  return share < 0.001 ? 'heat-1' : share < 0.01 ? 'heat-2' : share < 0.1 ? 'heat-3' : 'heat-4';
}
