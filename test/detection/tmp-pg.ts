import { startPostgres } from '../../scripts/embedded-postgres.ts';
const p = await startPostgres();
console.log(p.url);
setInterval(() => undefined, 1000);
process.on('SIGTERM', () => { void p.stop().then(() => process.exit(0)); });
