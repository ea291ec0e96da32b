import { type ReportData, relianceSentence, relianceTexts, visibleText } from '@changeover/bridge';

/** Call sites that are named in a line of a report. */
const mostSites = 5;

/** What each key's callers rely on, a sentence a key and guarantee; none where they rely on nothing. */
export function relianceLines({ reliance }: Pick<ReportData, 'reliance'>): string[] {
  return relianceTexts(reliance).map(
    (one) =>
      `${visibleText(one.backend)} ${visibleText(one.key)} ${relianceSentence(one, mostSites)}${
        one.kept ? '' : ' (the pooled leg does not keep it)'
      }`,
  );
}

/** The same of one key, without its name: for `status` and `explain`. */
export function relianceOfKey(
  data: ReportData | undefined,
  backend: string,
  key: string,
): string[] {
  const own = (data?.reliance ?? []).filter((one) => one.backend === backend && one.key === key);
  return relianceTexts(own).map((one) => relianceSentence(one));
}
