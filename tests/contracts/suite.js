'use strict';
// Runs every test on its own copy of the chain: a snapshot is taken before, put back after.
const { World, startChain } = require('./world');

const GROUPS = ['vectors', 'deploy', 'registry', 'channel', 'hermes', 'hermes_operator', 'token', 'batch', 'model', 'node', 'hub', 'account'];

async function main() {
  const wanted = process.argv.slice(2);
  const chain = await startChain();
  let failed = 0, ran = 0;
  try {
    if (chain.skip) {
      console.log(`skip contracts ${chain.skip}`);
      return 0;
    }
    const world = new World(chain);
    for (const group of GROUPS) {
      const { tests, empty } = require(`./${group}`);
      await world.enter(empty ? 'empty' : 'deployed');
      for (const [name, body] of Object.entries(tests)) {
        const full = `${group}_${name}`;
        if (wanted.length > 0 && !wanted.some((part) => full.includes(part))) continue;
        ran += 1;
        try {
          const said = await world.isolated(() => body(world));
          if (said === world.OURS_ONLY) console.log(`skip ${full} only for our own bytecode`);
          else if (typeof said === 'string') console.log(`skip ${full} ${said}`);
          else console.log(`ok ${full}`);
        } catch (error) {
          failed += 1;
          console.log(`not ok ${full} ${String(error.message).split('\n')[0]}`);
          if (process.env.MYST_TEST_TRACE) console.error(error);
        }
      }
    }
  } finally {
    chain.stop();
  }
  if (ran === 0) console.log('not ok contracts no test has such a name');
  return failed === 0 && ran > 0 ? 0 : 1;
}

main().then((code) => process.exit(code), (error) => {
  console.log(`not ok contracts ${String(error.message).split('\n')[0]}`);
  process.exit(1);
});
