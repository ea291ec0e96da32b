import type { RuleUsage } from '@changeover/bridge';
import { countText } from '@changeover/bridge';

/** A rule as a person would say it. The text comes from flags and programs: render it as text. */
export function ruleText({ rule }: RuleUsage): {
  readonly what: string;
  readonly where: string;
  readonly why: string;
} {
  const { kind, operation, dataset, reason, ...rest } = JSON.parse(rule) as Readonly<
    Record<string, unknown>
  >;
  const fields = Object.entries(rest).map(
    ([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const where = [operation, dataset].filter((part) => typeof part === 'string').join(' of ');
  return {
    what: [String(kind), ...fields].join(' '),
    where: where === '' ? 'everywhere' : where,
    why: typeof reason === 'string' ? reason : '',
  };
}

/** Whether it was needed. */
export function ruleOutcome({ dead, failures }: RuleUsage): string {
  if (failures > 0) return `its comparator threw in ${countText(failures)} comparisons`;
  return dead ? 'dead: it was never needed' : 'in use';
}
