const { get, put } = require('./store.cjs')
const store = require('./store.cjs')

module.exports.use = () => {
  put('a', '1')
  return `${get('a')} ${store.all().length}`
}

console.log(module.exports.use())
