'use strict';
// The deploy script against the chain, as an operator uses it.
const { execFile } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { CHAIN_ID, MYST, deployment, equal, ethers, tools, vectors } = require('./world');

const SCRIPT = path.join(tools.ROOT, 'drivers/ethereum/contracts/deploy');
const recorded = vectors('payments');
const key = recorded.keys.find((k) => k.name === 'provider');

// Runs it; answers {code, out, err}.
const run = (args, env = {}) => new Promise((resolve) => {
  execFile(SCRIPT, args, { env: { ...process.env, ...env } }, (error, out, err) => resolve({ code: error ? error.code : 0, out, err }));
});

async function temporary(body) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'myst-deploy-'));
  try {
    return await body(folder);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

const at = (world, name, address) => new ethers.Contract(address, deployment.artifacts()[name].abi, world.provider);

const tests = {
  async deploys_at_the_recorded_addresses(world) {
    await world.impersonate(key.address_eip55);
    const operator = world.person('hub operator');
    const home = world.person('home').address;
    await temporary(async (folder) => {
      fs.writeFileSync(path.join(folder, 'key'), key.private_key + '\n');
      fs.writeFileSync(path.join(folder, 'operator'), operator.privateKey.slice(2));
      const { code, out, err } = await run([
        `--rpc=${world.rpcUrl}`, `--key-file=${folder}/key`,
        `--hermes=operator=${key.address_eip55},url=http://hermes:8889`,
        `--hermes=operator-key-file=${folder}/operator,url=http://hermes2:8889,fee=2000,stake=500,min-stake=1.5,max-stake=100,funds=0.25`,
        `--mint=${home}=12.5`, `--coin=${home}=0.1`, `--out=${folder}/chain.json`,
      ]);
      equal([code, err], [0, '']);
      const chain = JSON.parse(out);
      equal(chain, JSON.parse(fs.readFileSync(path.join(folder, 'chain.json'))));
      const places = Object.fromEntries(recorded.e2e_deployment.by_nonce.map((c) => [c.contract, ethers.getAddress(c.address)]));
      equal(
        [chain.chain_id, chain.rpc, chain.registry, chain.token, chain.channel_implementation, chain.hermes_implementation, chain.dex],
        [CHAIN_ID, [world.rpcUrl], places.registry, places.token, places['channel implementation'], places['hermes implementation'], places['old token']]);
      equal([chain.hermes, chain.known_hermeses.length, chain.known_hermeses[0]], [recorded.evm_state.hermes, 2, recorded.evm_state.hermes]);
      equal((await world.provider.getCode(chain.promise_collector)).length > 100, true);

      const [registry, token] = [at(world, 'Registry', chain.registry), at(world, 'MystToken', chain.token)];
      equal([await registry.owner(), await registry.isHermes(chain.hermes), await token.balanceOf(home), await world.provider.getBalance(home)],
        [key.address_eip55, true, 125n * MYST / 10n, MYST / 10n]);
      equal(await token.balanceOf(chain.hermes), 1100n * MYST);
      const second = at(world, 'HermesImplementation', chain.known_hermeses[1]);
      equal([await second.getOperator(), await second.getHermesStake(), await second.getStakeThresholds(), await second.getActiveFee(), await second.availableBalance()],
        [operator.address, 500n * MYST, [15n * MYST / 10n, 100n * MYST], 2000n, MYST / 4n]);
      equal(ethers.toUtf8String(await registry.getHermesURL(second)), 'http://hermes2:8889');
    });
  },

  async second_run_adds_to_the_first(world) {
    await temporary(async (folder) => {
      const operator = world.person('hub operator').address;
      const file = path.join(folder, 'chain.json');
      equal((await run([`--rpc=${world.rpcUrl}`, `--out=${file}`])).code, 0);
      const first = JSON.parse(fs.readFileSync(file));
      equal([first.hermes, first.known_hermeses], [undefined, []]);
      const again = [`--rpc=${world.rpcUrl}`, `--contracts=${file}`, `--hermes=operator=${operator},url=http://h`, `--out=${file}`];
      equal((await run(again)).code, 0);
      const second = JSON.parse(fs.readFileSync(file));
      equal([second.registry, second.known_hermeses], [first.registry, [second.hermes]]);
      const { code } = await run(again);  // the same once more changes nothing
      equal([code, JSON.parse(fs.readFileSync(file))], [0, second]);
    });
  },

  async refuses_what_it_does_not_understand(world) {
    const rpc = `--rpc=${world.rpcUrl}`;
    for (const [args, words] of [
      [[], '--rpc is missing'], [[rpc, '--help'], 'unknown option --help'], [[rpc, '--hermes=url=http://h'], '--hermes needs operator'],
      [[rpc, `--hermes=operator=${key.address_eip55}`], '--hermes needs url'], [[rpc, '--hermes=price=3'], 'not a setting of --hermes'],
      [[rpc, '--mint=alice=3'], 'not ADDRESS=AMOUNT'],
    ]) {
      const { code, err } = await run(args);
      equal([code, err.includes(words)], [1, true], `${args}: ${err}`);
    }
  },

  async says_why_it_failed(world) {
    const { code, err } = await run([
      `--rpc=${world.rpcUrl}`, `--hermes=operator=${key.address_eip55},url=http://h,fee=6000`]);
    equal([code, err.includes('fee is too high')], [1, true], err);
    const poor = await run([`--rpc=${world.rpcUrl}`], { MYST_DEPLOY_KEY: world.person('poor').privateKey });
    equal([poor.code, /insufficient funds/i.test(poor.err)], [1, true], poor.err);
  },

  // Same sources, same bytes: no path, time or comment gets into the code.
  async compiles_to_the_same_bytes(world) {
    if (world.other) return world.OURS_ONLY;
    await temporary(async (folder) => {
      const again = tools.build(path.join(folder, 'contracts'));
      equal(Object.keys(again).sort(), [...tools.CONTRACTS].sort());
      const here = path.join(tools.BUILD, 'contracts');
      for (const name of tools.CONTRACTS) {
        const files = [folder + '/contracts', here].map((f) => fs.readFileSync(path.join(f, `${name}.json`), 'utf8'));
        equal(files[0] === files[1], true, name);
        equal(again[name].deployedBytecode.length / 2 < 24576, true, `size of ${name}`);
      }
    });
  },
};

module.exports = { tests, empty: true };
