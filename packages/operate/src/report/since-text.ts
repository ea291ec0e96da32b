import type { ReportData } from '@changeover/bridge';
import { countText, visibleText, timeText } from '@changeover/bridge';

const mostNamed = 20;

/** What the gates leave out, as sentences; none where they look at everything. */
export function sinceLines({ judged }: ReportData): string[] {
  if (judged === undefined) return [];
  const { since, comparedBefore } = judged;
  const rest = since.length - mostNamed;
  return [
    `The gates leave ${countText(comparedBefore)} ${comparedBefore === 1 ? 'comparison' : 'comparisons'} out, ` +
      'made before keys were resumed:',
    ...since
      .slice(0, mostNamed)
      .map(
        ({ backend, dataset, at }) =>
          `${visibleText(backend)} ${dataset} is judged since ${timeText(at)}`,
      ),
    ...(rest > 0 ? [`… and ${countText(rest)} more keys`] : []),
  ];
}
