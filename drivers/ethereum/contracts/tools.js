'use strict';
// What the scripts here share: npm packages under build/, the compiler, transactions.
const { spawnSync } = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const ROOT = path.resolve(__dirname, '../../..');
const BUILD = process.env.MYST_BUILD_DIR || path.join(ROOT, 'build');
const sha256 = (...parts) => {
  const hash = crypto.createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

// ---- npm packages ----

// The folder of the packages package-lock.json pins. Installed at the first call; two installers
// at once do not harm one another, the first to finish wins.
function packages() {
  const lock = fs.readFileSync(path.join(__dirname, 'package-lock.json'));
  const folder = path.join(BUILD, `npm-${sha256(lock).slice(0, 12)}`);
  const modules = path.join(folder, 'node_modules');
  if (fs.existsSync(modules)) return modules;
  const fresh = `${folder}.${process.pid}`;
  fs.mkdirSync(fresh, { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) {
    fs.copyFileSync(path.join(__dirname, name), path.join(fresh, name));
  }
  const options = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
  if (process.arch !== 'x64') options.push('--omit=dev');  // anvil: no package for others
  const npm = spawnSync('npm', options, { cwd: fresh, encoding: 'utf8' });
  if (npm.status !== 0) {
    fs.rmSync(fresh, { recursive: true });
    throw new Error(`npm ci failed: ${npm.error || npm.stderr.trim()}`);
  }
  try {
    fs.renameSync(fresh, folder);
  } catch (error) {
    fs.rmSync(fresh, { recursive: true });
    if (!fs.existsSync(modules)) throw error;
  }
  return modules;
}

const load = (name) => require(path.join(packages(), name));
const anvil = () => path.join(packages(), '@foundry-rs/anvil-linux-amd64/bin/anvil');

// ---- compiler ----

const CONTRACTS = ['Registry', 'ChannelImplementation', 'HermesImplementation', 'MystToken', 'DevelopmentDex', 'PromiseCollector'];
const SETTINGS = {
  optimizer: { enabled: true, runs: 1000 },
  evmVersion: 'cancun',
  // No hash of the metadata at the end of the code: it would change with every comment.
  metadata: { bytecodeHash: 'none', appendCBOR: false },
  outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
};

function compile() {
  const solc = load('solc');
  const modules = packages();
  const sources = {};
  for (const name of fs.readdirSync(__dirname).filter((n) => n.endsWith('.sol')).sort()) {
    sources[name] = { content: fs.readFileSync(path.join(__dirname, name), 'utf8') };
  }
  const imported = (name) => {
    try {
      return { contents: fs.readFileSync(path.join(modules, name), 'utf8') };
    } catch (error) {
      return { error: error.message };
    }
  };
  const input = { language: 'Solidity', sources, settings: SETTINGS };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: imported }));
  const problems = (output.errors || []).map((e) => e.formattedMessage);
  if (problems.length > 0) throw new Error(problems.join('\n'));  // warnings too
  return Object.fromEntries(CONTRACTS.map((name) => {
    const { abi, evm } = output.contracts[`${name}.sol`][name];
    return [name, {
      contract: name,
      compiler: solc.version(),
      abi,
      bytecode: '0x' + evm.bytecode.object,
      deployedBytecode: '0x' + evm.deployedBytecode.object,
    }];
  }));
}

// Compiles into `folder`, one JSON per contract, unless it is there from the same inputs.
function build(folder) {
  const inputs = fs.readdirSync(__dirname).filter((n) => /\.sol$|^tools\.js$|^package-lock\.json$/.test(n)).sort();
  const stamp = sha256(...inputs.flatMap((n) => [n, fs.readFileSync(path.join(__dirname, n))]));
  const stampFile = path.join(folder, '.inputs');
  if (!fs.existsSync(stampFile) || fs.readFileSync(stampFile, 'utf8') !== stamp) {
    const compiled = compile();
    fs.mkdirSync(folder, { recursive: true });
    for (const [name, artifact] of Object.entries(compiled)) {
      const file = path.join(folder, `${name}.json`);
      fs.writeFileSync(`${file}.${process.pid}`, JSON.stringify(artifact, null, 1) + '\n');
      fs.renameSync(`${file}.${process.pid}`, file);
    }
    fs.writeFileSync(stampFile, stamp);
  }
  return Object.fromEntries(CONTRACTS.map((name) => [name, JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`)))]));
}

module.exports = { BUILD, CONTRACTS, ROOT, anvil, build, load, packages };
