import './global-setup.ts';

/** Stops what the set-up started. */
export default async function teardown(): Promise<void> {
  await globalThis.changeoverTestPostgres?.stop();
}
