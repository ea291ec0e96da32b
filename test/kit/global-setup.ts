import { startPostgres, type RunningPostgres } from '../../scripts/embedded-postgres.ts';

declare global {
  var changeoverTestPostgres: RunningPostgres | undefined;
}

/** One PostgreSQL for all tests, each in schemas of its own: the embedded one, or that of `DATABASE_URL`. */
export default async function setup(): Promise<void> {
  const given = process.env['DATABASE_URL'];
  if (given !== undefined && given !== '') {
    process.env['CHANGEOVER_TEST_DATABASE_URL'] = given;
    return;
  }
  globalThis.changeoverTestPostgres = await startPostgres();
  process.env['CHANGEOVER_TEST_DATABASE_URL'] = globalThis.changeoverTestPostgres.url;
}
