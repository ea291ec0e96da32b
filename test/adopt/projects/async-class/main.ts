import { Repository } from './repository.ts';

const repository = await Repository.getInstance();
await repository.setUp();
await repository.add('film');
console.log(JSON.stringify(await repository.all()), repository === (await Repository.getInstance()));
await repository.close();
