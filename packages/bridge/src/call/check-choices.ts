import { settingNames } from '../bridge-settings.ts';
import { givenText, WiringError } from './members.ts';

/** What was given for the options that are a choice, a switch or a function. */
interface Choices {
  readonly undeclared?: unknown;
  readonly answers?: unknown;
  readonly callable?: unknown;
  readonly serialLegacy?: unknown;
  readonly isUnavailable?: unknown;
  readonly parseKey?: unknown;
  readonly services?: { readonly serve?: unknown } | null | undefined;
}

const oneOf = {
  undeclared: ['refuse', 'legacy'],
  answers: ['promises'],
  callable: [true, false],
  serialLegacy: [true, false],
} as const;

/**
 * Checks the options of a bridge that say how it behaves: a word that is none of them would count as the default.
 *
 * @throws {WiringError} with what to type.
 */
export function checkChoices(name: string, options: Choices): void {
  for (const [option, choices] of Object.entries(oneOf)) {
    const value = options[option as keyof typeof oneOf];
    if (value === undefined || (choices as readonly unknown[]).includes(value)) continue;
    const texts = choices.map((choice) =>
      typeof choice === 'string' ? `'${choice}'` : String(choice),
    );
    refuse(name, option, value, texts.join(' or '));
  }
  for (const option of ['isUnavailable', 'parseKey'] as const) {
    const value = options[option];
    if (value !== undefined && typeof value !== 'function')
      refuse(name, option, value, 'a function');
  }
  const { services } = options;
  if (services !== undefined && typeof services?.serve !== 'function')
    refuse(name, 'services', services, 'bridgeOf(other).services');
  if (services !== undefined) refuseWithServices(name, options);
}

/** Settings that a bridge has of its own whatever services it shares. */
const ownSettings: readonly string[] = ['rules'];

/** @throws {WiringError} for settings that the shared services have already, which would be passed over without a word. */
function refuseWithServices(name: string, options: Choices): void {
  const passedOver = settingNames.filter(
    (setting) =>
      !ownSettings.includes(setting) &&
      (options as Readonly<Record<string, unknown>>)[setting] !== undefined,
  );
  if (passedOver.length === 0) return;
  throw new WiringError(
    `The option services of "${name}" brings ${passedOver.join(', ')} with it: give ${passedOver.length === 1 ? 'that' : 'those'} to the ` +
      'bridge that made the services, and not to this one; or leave services out.',
  );
}

function refuse(name: string, option: string, value: unknown, wanted: string): never {
  throw new WiringError(
    `The option ${option} of "${name}" is ${givenText(value)}: it must be ${wanted}.`,
  );
}
