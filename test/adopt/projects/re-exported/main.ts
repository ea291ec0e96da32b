import { addUser, connection, listUsers } from './index.ts';

addUser('film');
console.log(JSON.stringify(listUsers()), connection.open);
