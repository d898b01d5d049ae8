'use strict';
// Random steps on the contracts and on a model of their rules: both must agree after each, on what
// is refused and on every balance. Same seed, same steps: MYST_SEED, MYST_STEPS.
const { CHAIN_ID, DAY, MYST, PAYER, equal, ethers } = require('./world');

const FACTOR = 100n, HOUR = 3600n, MAX = 62n * MYST, HERMES_STAKE = 100n * MYST;
const [ACTIVE, PAUSED, PUNISHMENT] = [0n, 1n, 2n];

function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  const below = (n) => next() % n;
  return {
    below,
    of: (list) => list[below(list.length)],
    // Wei, often round, sometimes tiny.
    amount: (tokens) => [() => BigInt(below(tokens * 1000)) * MYST / 1000n, () => BigInt(below(200)), () => BigInt(below(tokens * 1000)) * MYST / 1000n + BigInt(below(100))][below(3)](),
  };
}

class Refused extends Error {}
const need = (condition, words) => { if (!condition) throw new Refused(words); };
const natural = (value) => { need(value >= 0n, 'panic 0x11'); return value; };
const smaller = (a, b) => (a < b ? a : b);
const larger = (a, b) => (a > b ? a : b);

// The rules: state is plain data, a step that is refused leaves it as it was.
class Model {
  constructor(now, feeFrom) {
    this.balance = {};
    this.settled = {};
    this.stake = {};
    this.nonce = {};
    this.status = ACTIVE;
    this.punished = { at: 0n, amount: 0n };
    this.fees = { last: 400n, from: feeFrom, previous: 0n };
    this.registryNonce = 0n;
    this.now = now;
  }

  get(table, key) { return this[table][key] || 0n; }

  move(from, to, amount) {
    need(this.get('balance', from) >= amount, 'ERC20InsufficientBalance');
    this.balance[from] = this.get('balance', from) - amount;
    this.balance[to] = this.get('balance', to) + amount;
  }

  stakes() { return Object.values(this.stake).reduce((a, b) => a + b, 0n); }
  expected() { return larger(HERMES_STAKE, this.punished.amount) + this.stakes(); }
  available() { return larger(0n, this.get('balance', 'hermes') - this.expected()); }
  active() { need(this.status === ACTIVE || this.status === PAUSED, 'hermes is not active'); }
  hermesFee(amount) {
    const fee = this.now >= this.fees.from ? this.fees.last : this.fees.previous;
    return (amount * fee / 100n + 99n) / 100n;
  }

  consumer(who, amount, fee) {
    const key = `channel ${who}`;
    let unpaid = natural(amount - this.get('settled', key));
    need(unpaid > 0n, 'nothing to settle');
    unpaid = smaller(unpaid, this.get('balance', key));
    this.settled[key] = this.get('settled', key) + unpaid;
    const net = natural(unpaid - fee);
    this.move(key, 'hermes', net);
    this.move(key, 'caller', fee);
  }

  core(key, amount, fee, takeFee) {
    this.active();
    const stake = this.get('stake', key), available = this.available();
    if (available < stake) {
      this.status = PUNISHMENT;
      this.punished.at = this.now;
    }
    let unpaid = natural(amount - this.get('settled', key));
    need(unpaid > fee, 'amount does not cover the fee');
    unpaid = smaller(unpaid, smaller(available, larger(MAX, stake)));
    this.settled[key] = this.get('settled', key) + unpaid;
    const earned = natural(unpaid - fee - (takeFee ? this.hermesFee(unpaid) : 0n));
    this.move('hermes', 'caller', fee);
    return earned;
  }

  provider(who, amount, fee) { this.move('hermes', this.home(who), this.core(who, amount, fee, true)); }
  home(who) { return this.homes[who]; }

  withBeneficiary(who, amount, fee, home) {
    this.registryNonce += 1n;
    this.homes[who] = home;
    this.provider(who, amount, fee);
  }

  payAndSettle(who, amount, fee, home) { this.move('hermes', home, this.core(`${who} withdrawal`, amount, fee, false)); }

  addStake(who, amount) {
    const stake = this.get('stake', who) + amount;
    need(stake <= MAX, 'stake is above the maximum');
    this.stake[who] = stake;
  }

  intoStake(who, amount, fee) { this.addStake(who, this.core(who, amount, fee, true)); }

  increase(who, amount) {
    this.addStake(who, amount);
    this.move('caller', 'hermes', amount);
  }

  decrease(who, amount, fee) {
    need(this.get('settled', who) + this.get('stake', who) > 0n, 'no such channel');
    need(amount >= fee, 'amount does not cover the fee');
    need(amount <= this.get('stake', who), 'amount is above the stake');
    this.nonce[who] = this.get('nonce', who) + 1n;
    this.stake[who] -= amount;
    this.move('hermes', 'caller', fee);
    this.move('hermes', this.home(who), amount - fee);
  }

  withdraw(amount) {
    this.active();
    need(amount <= this.available(), 'amount is above the available balance');
    this.move('hermes', 'caller', amount);
  }

  changeFee(fee) {
    need(this.now >= this.fees.from, 'the last fee is not valid yet');
    this.fees = { last: fee, from: this.now + 3n * BigInt(DAY), previous: this.fees.last };
  }

  pause() {
    need(this.status === ACTIVE, 'hermes is not active');
    this.status = PAUSED;
  }

  activate() {
    need(this.status === PAUSED, 'hermes is not paused');
    this.status = ACTIVE;
  }

  resolve() {
    need(this.status === PUNISHMENT, 'hermes is not in punishment');
    const elapsed = this.now - this.punished.at;
    const units = elapsed === 0n ? 0n : (elapsed + HOUR - 1n) / HOUR - 1n;
    const rounded = (this.stakes() * 4n + FACTOR - 1n) / FACTOR * FACTOR;
    this.punished.amount += units * rounded / FACTOR;
    this.status = ACTIVE;
    const missing = this.expected() + MAX - this.get('balance', 'hermes');
    if (missing > 0n) this.move('caller', 'hermes', missing);
  }
}

const copy = (model) => Object.assign(Object.create(Model.prototype), structuredClone({ ...model }));

async function play(world, seed, steps) {
  const dice = random(seed);
  const consumers = ['alice', 'carol', 'erin'], providers = ['bob', 'dave'];
  const people = Object.fromEntries([...consumers, ...providers].map((n) => [n, world.person(n)]));
  const homes = { 'home 1': world.person('home 1').address, 'home 2': world.person('home 2').address, 'home 3': world.person('home 3').address };
  const operator = world.hermes.connect(await world.impersonate(world.operator.address));
  const caller = world.signers[PAYER];
  await world.token.connect(caller).approve(world.hermes, ethers.MaxUint256);

  const places = { hermes: world.hermes.target, caller: caller.address, ...homes };
  const channels = {};
  for (const name of consumers) {
    channels[name] = await world.register(people[name]);
    places[`channel ${name}`] = channels[name].target;
  }
  for (const [index, name] of providers.entries()) await world.register(people[name], { beneficiary: homes[`home ${index + 1}`] });
  const keys = [...providers, ...providers.map((p) => `${p} withdrawal`)];
  const id = (key) => world.channelId(people[key.split(' ')[0]], world.hermes, key.split(' ')[1]);

  let model = new Model(0n, (await world.hermes.lastFee())[1]);
  model.homes = { bob: 'home 1', dave: 'home 2' };
  for (const [name, address] of Object.entries(places)) model.balance[name] = await world.balance(address);
  const supply = await world.token.totalSupply() - Object.values(model.balance).reduce((a, b) => a + b, 0n);

  // Kinds of steps, those that move money more often.
  const kinds = {
    fund: () => [dice.of([...Object.keys(channels).map((n) => `channel ${n}`), 'hermes', 'caller']), dice.amount(60)],
    consumer: () => [dice.of(consumers)], provider: () => [dice.of(providers)], provider2: () => [dice.of(providers)], withBeneficiary: () => [dice.of(providers), dice.of(Object.keys(homes))],
    payAndSettle: () => [dice.of(providers), dice.of(Object.keys(homes))], intoStake: () => [dice.of(providers)],
    increase: () => [dice.of(providers), dice.amount(30)], decrease: () => [dice.of(providers), dice.amount(20), dice.amount(1)],
    withdraw: () => [dice.below(3) === 0 ? model.available() + BigInt(dice.below(2)) : dice.amount(300)], changeFee: () => [BigInt(dice.below(5001))],
    pause: () => [], activate: () => [], resolve: () => [], wait: () => [dice.of([600, 3600, 7200, 86400, 3 * DAY])],
  };
  const counts = { done: 0, refused: 0 };
  for (let step = 0; step < steps; ++step) {
    const kind = dice.of(Object.keys(kinds));
    let [who, ...rest] = kinds[kind]();
    const fee = dice.below(2) ? 0n : dice.amount(1);
    const name = kind === 'provider2' ? 'provider' : kind;
    // Promises grow: by something, by nothing, now and then backwards.
    const beyond = (key) => larger(0n, model.get('settled', key) + (dice.below(8) === 0 ? -BigInt(dice.below(3)) : dice.amount(70)));
    const at = BigInt(await world.now()) + 5n + (name === 'wait' ? BigInt(who) : 0n);
    await world.rpc('evm_setNextBlockTimestamp', ethers.toQuantity(at));
    if (name === 'wait') { await world.rpc('evm_mine'); continue; }
    if (name === 'fund') { await world.mint(places[who], rest[0]); model.balance[who] += rest[0]; continue; }

    const next = copy(model);
    next.now = at;
    let call, play;
    const person = people[who];
    const settlement = (key, signer) => { const amount = beyond(key); return { amount, args: world.settlement(people[key.split(' ')[0]], amount, { fee, kind: key.split(' ')[1], signer }) }; };
    if (name === 'consumer') {
      const p = world.promise(person, channels[who], beyond(`channel ${who}`), { fee });
      call = () => channels[who].settlePromise(p.amount, p.fee, p.r, p.signature);
      play = () => next.consumer(who, p.amount, fee);
    } else if (name === 'provider' || name === 'intoStake') {
      const { amount, args } = settlement(who);
      call = () => world.hermes[name === 'provider' ? 'settlePromise' : 'settleIntoStake'](...args);
      play = () => next[name](who, amount, fee);
    } else if (name === 'withBeneficiary') {
      const { amount, args } = settlement(who);
      const nonce = model.registryNonce + 1n;
      call = () => world.hermes.settleWithBeneficiary(...args, homes[rest[0]], world.signBeneficiary(person, homes[rest[0]], nonce));
      play = () => next.withBeneficiary(who, amount, fee, rest[0]);
    } else if (name === 'payAndSettle') {
      const key = `${who} withdrawal`, { amount, args } = settlement(key);
      call = () => world.hermes.payAndSettle(...args, homes[rest[0]], world.sign(person, CHAIN_ID, id(key), amount, args[3], homes[rest[0]]));
      play = () => next.payAndSettle(who, amount, fee, rest[0]);
    } else if (name === 'increase') {
      call = () => world.hermes.increaseStake(id(who), rest[0]);
      play = () => next.increase(who, rest[0]);
    } else if (name === 'decrease') {
      const [amount, cost] = rest, nonce = model.get('nonce', who) + 1n;
      call = () => world.hermes.decreaseStake(person.address, amount, cost, world.sign(person, 'Stake return request', CHAIN_ID, id(who), amount, cost, nonce));
      play = () => next.decrease(who, amount, cost);
    } else {
      const method = { withdraw: 'withdraw', changeFee: 'setHermesFee', pause: 'pauseChannelOpening', activate: 'activateChannelOpening', resolve: 'resolveEmergency' }[name];
      const args = name === 'withdraw' ? [caller.address, who] : name === 'changeFee' ? [who] : [];
      call = () => (name === 'resolve' ? world.hermes : operator)[method](...args);
      play = () => next[name](who);
    }

    const what = `seed ${seed} step ${step} ${name} ${[who, ...rest].join(' ')} fee ${fee}`;
    let words;
    try {
      play();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      words = error.message;
    }
    try {
      if (words) await world.refused(call(), words); else await call();
    } catch (error) {
      error.message = `${what}: ${error.shortMessage || error.message}`;
      throw error;
    }
    if (words) { counts.refused += 1; continue; }
    counts.done += 1;
    model = next;

    const got = await Promise.all(Object.values(places).map((a) => world.balance(a)));
    equal(Object.fromEntries(Object.keys(places).map((n, i) => [n, got[i]])), Object.fromEntries(Object.keys(places).map((n) => [n, model.get('balance', n)])), what);
    equal(await world.token.totalSupply() - supply, got.reduce((a, b) => a + b, 0n), `${what}: to the wei`);
    const records = await Promise.all(keys.map((key) => world.hermes.channels(id(key))));
    equal(records, keys.map((key) => [model.get('settled', key), model.get('stake', key), model.get('nonce', key), 0n]), what);
    const state = await Promise.all([world.hermes.getStatus(), world.hermes.punishment(), world.hermes.availableBalance(), world.hermes.minimalExpectedBalance()]);
    equal(state, [model.status, [model.punished.at, model.punished.amount], model.available(), model.expected()], what);
    const paid = await Promise.all(consumers.map(async (n) => (await channels[n].hermes())[2]));
    equal(paid, consumers.map((n) => model.get('settled', `channel ${n}`)), what);
  }
  return counts;
}

const STEPS = Number(process.env.MYST_STEPS || 250);
const tests = {};
for (const seed of process.env.MYST_SEED ? [Number(process.env.MYST_SEED)] : [1, 2, 3]) {
  tests[`random_steps_seed_${seed}`] = async (world) => {
    const { done, refused } = await play(world, seed, STEPS);
    equal(STEPS < 100 || (done > STEPS / 4 && refused > STEPS / 20), true, `${done} steps done, ${refused} refused`);
  };
}

module.exports = { tests };
