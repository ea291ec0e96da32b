import { keepShop } from './shop.js';

console.log(JSON.stringify(await keepShop()));
