import { searchPathOf } from './search-path.ts';

/** Settings of a PostgreSQL session by name. */
export type PostgresSettings = Readonly<Record<string, string>>;

/** What every statement of both legs relies on, the names' lookup and how values are written.
 *
 * @param dataset undefined for work on the datasets themselves. */
export function requiredSettings(dataset: string | undefined): PostgresSettings {
  return {
    TimeZone: 'UTC',
    DateStyle: 'ISO',
    IntervalStyle: 'postgres',
    bytea_output: 'hex',
    // Or a scan would begin where another's is, and LIMIT would not give the first rows.
    synchronize_seqscans: 'off',
    extra_float_digits: '1',
    client_min_messages: 'warning',
    search_path: searchPathOf(dataset),
  };
}

/** Settings as the text of the startup parameter `options`.
 *
 * @param given options of the user's, which ours override: the last one of a name counts. */
export function startupOptions(given: string, settings: PostgresSettings): string {
  const own = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  return [given, ...own].join(' ').trim();
}

/** Settings as statements that hold to the end of the transaction: what stays on a pooler's connection would be everybody's. */
export function setLocally(settings: PostgresSettings): string {
  return assignments(settings, 'SET LOCAL');
}

/** Settings as statements that hold to the end of the session. */
export function setForSession(settings: PostgresSettings): string {
  return assignments(settings, 'SET');
}

function assignments(settings: PostgresSettings, command: string): string {
  return Object.entries(settings)
    .map(([name, value]) => {
      const names = name.split('.').map((part) => `"${part.replaceAll('"', '""')}"`);
      // A list of names; as a text it would be one name.
      const text = name === 'search_path' ? value : `'${value.replaceAll("'", "''")}'`;
      return `${command} ${names.join('.')} TO ${text}`;
    })
    .join('; ');
}

/** What a URL asks of a session, apart from the rest of it. */
export interface SplitUrl {
  /** Without what would replace the options that are given beside it. */
  readonly url: string;
  /** Its `options`, as they are sent to a server. */
  readonly options: string;
}

/** Takes `options` out of a URL: the driver would send them in place of ours. */
export function splitUrl(url: string): SplitUrl {
  if (!/[?&]options=/.test(url)) return { url, options: '' };
  const parsed = new URL(url);
  const options = parsed.searchParams.getAll('options').join(' ');
  parsed.searchParams.delete('options');
  return { url: parsed.href, options };
}

/** Time limits that the driver sends as startup parameters of their own. */
const limitParameters = [
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
] as const;

/** A URL that asks nothing of a session, and what it asked, to be set by statements. */
export function bareUrl(given: string): {
  readonly url: string;
  readonly settings: PostgresSettings;
} {
  const { url, options } = splitUrl(given);
  const settings: Record<string, string> = settingsIn(options);
  const parsed = new URL(url);
  for (const name of limitParameters) {
    const value = parsed.searchParams.get(name);
    if (value === null) continue;
    settings[name] = value;
    parsed.searchParams.delete(name);
  }
  return { url: Object.keys(settings).length === 0 ? url : parsed.href, settings };
}

/** The settings in a text of the startup parameter `options`: `-c name=value`, `-cname=value`, `--name=value`. */
function settingsIn(options: string): Record<string, string> {
  // A backslash takes a blank's meaning away.
  const words = (options.match(/(?:\\.|[^\s\\])+/g) ?? []).map((word) =>
    word.replaceAll(/\\(.)/g, '$1'),
  );
  const settings: Record<string, string> = {};
  for (const [at, word] of words.entries()) {
    const text = word === '-c' ? words[at + 1] : /^(?:-c|--)(.+)$/.exec(word)?.[1];
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(text ?? '') ?? [];
    if (name !== undefined && value !== undefined) settings[name.replaceAll('-', '_')] = value;
  }
  return settings;
}

/** Host, port and database; never the password. */
export function shownUrl(url: string): string {
  try {
    const { host, pathname } = new URL(url);
    return `${host}${pathname}`;
  } catch {
    return 'the configured URL';
  }
}
