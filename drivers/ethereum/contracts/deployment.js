'use strict';
// Puts the contracts on a chain. On an empty chain the addresses depend on the account alone:
// registry, exchange, token, channel and Hermes implementation are its transactions 0 to 4.
const path = require('path');
const { BUILD, build, load } = require('./tools');

const ethers = load('ethers');
const artifacts = (folder = path.join(BUILD, 'contracts')) => build(folder);

// The chain is named by its number alone: for networks it knows by name ethers asks the web for
// gas prices.
async function connect(rpcUrl) {
  const open = (chainId) => new ethers.JsonRpcProvider(
    rpcUrl, new ethers.Network('chain', chainId), { staticNetwork: true, cacheTimeout: -1, batchMaxCount: 1 });
  const asking = open(0n);
  let chainId;
  try {
    chainId = BigInt(await asking.send('eth_chainId', []));
  } finally {
    asking.destroy();
  }
  const provider = open(chainId);
  provider.pollingInterval = 100;
  return provider;
}

// Fails with the contract's own words when the transaction would.
async function sure(transaction) {
  const receipt = await (await transaction).wait();
  if (receipt.status !== 1) throw new Error(`transaction ${receipt.hash} failed`);
  return receipt;
}

async function put(artifact, signer) {
  const contract = await new ethers.ContractFactory(artifact.abi, artifact.bytecode, signer).deploy();
  await contract.waitForDeployment();
  return contract;
}

// An account that counts its own transactions: nodes answer the next number late.
const account = (signer) => new ethers.NonceManager(signer);

// dex: address of an exchange; none: a development one is put on the chain.
async function deploy(signer, { dex, minimalHermesStake = 0n } = {}) {
  const compiled = artifacts();
  const registry = await put(compiled.Registry, signer);
  const exchange = await put(compiled.DevelopmentDex, signer);
  const token = await put(compiled.MystToken, signer);
  const channelImplementation = await put(compiled.ChannelImplementation, signer);
  const hermesImplementation = await put(compiled.HermesImplementation, signer);
  const collector = await put(compiled.PromiseCollector, signer);
  dex = dex || exchange.target;
  await sure(registry.initialize(
    token.target, dex, minimalHermesStake, channelImplementation.target, hermesImplementation.target, ethers.ZeroAddress));
  return {
    chain_id: Number((await signer.provider.getNetwork()).chainId),
    registry: registry.target,
    token: token.target,
    channel_implementation: channelImplementation.target,
    hermes_implementation: hermesImplementation.target,
    promise_collector: collector.target,
    dex,
    known_hermeses: [],
  };
}

const contractAt = (name, address, runner) => new ethers.Contract(address, artifacts()[name].abi, runner);

// Registers a Hermes contract with its own stake and gives it tokens to settle with.
async function registerHermes(signer, chain, { operator, url, fee = 400, stake, minStake, maxStake, funds }) {
  const registry = contractAt('Registry', chain.registry, signer);
  const token = contractAt('MystToken', chain.token, signer);
  const hermes = await registry['getHermesAddress(address)'](operator);
  if (!await registry.isHermes(hermes)) {
    await sure(token.mint(await signer.getAddress(), stake));
    await sure(token.approve(chain.registry, stake));
    await sure(registry.registerHermes(operator, stake, fee, minStake, maxStake, ethers.toUtf8Bytes(url)));
    if (funds > 0n) await sure(token.mint(hermes, funds));
  }
  if (!chain.known_hermeses.includes(hermes)) chain.known_hermeses.push(hermes);
  chain.hermes = chain.hermes || hermes;
  return hermes;
}

module.exports = { account, artifacts, connect, contractAt, deploy, ethers, put, registerHermes, sure };
