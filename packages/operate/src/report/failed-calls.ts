import {
  countText,
  counted,
  type ReportData,
  shapeText,
  type ShapeEvidence,
  visibleText,
} from '@changeover/bridge';

/** Shapes of which callers saw calls fail, those with most of them first. */
export function failedCalls(shapes: readonly ShapeEvidence[]): ShapeEvidence[] {
  return shapes
    .filter(({ failed }) => failed > 0)
    .sort((a, b) => b.failed - a.failed || a.lastSeen - b.lastSeen);
}

/** In a sentence, without the key: `3 of 40 calls of query: SELECT ? failed at reverse`. */
export function failedText(shape: ShapeEvidence): string {
  const calls = `${countText(shape.failed)} of ${counted(shape.calls, 'call', 'calls')}`;
  return `${calls} of ${shapeText(shape)} failed at ${shape.stage}`;
}

/** A line a key and shape of call. */
export function failedLines({ shapes }: Pick<ReportData, 'shapes'>): string[] {
  return failedCalls(shapes).map(
    (shape) => `${visibleText(shape.backend)} ${visibleText(shape.key)}: ${failedText(shape)}`,
  );
}

/** Those of one key: for `status` and `explain`. */
export function failedOfKey(
  data: ReportData | undefined,
  backend: string,
  key: string,
): ShapeEvidence[] {
  return failedCalls(
    (data?.shapes ?? []).filter((one) => one.backend === backend && one.key === key),
  );
}

/** One in a JSON answer. */
export function errorJson({ operation, shape, stage, calls, failed }: ShapeEvidence): object {
  return { operation, shape, stage, calls, failed };
}
