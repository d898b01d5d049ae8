"""keccak-256 and recoverable secp256k1 signatures, so that a lying Hermes can sign what it likes. Slow,
and nothing for real keys: no defence against timing."""
import secrets

P = 2 ** 256 - 2 ** 32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
     0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)
RATE = 136
MASK = 2 ** 64 - 1


def turned(word, by):
    return ((word << by) | (word >> (64 - by))) & MASK if by else word


def permute(lanes):
    """Keccak-f[1600]; lanes[x][y]."""
    r = 1
    for _ in range(24):
        c = [lanes[x][0] ^ lanes[x][1] ^ lanes[x][2] ^ lanes[x][3] ^ lanes[x][4] for x in range(5)]
        d = [c[(x + 4) % 5] ^ turned(c[(x + 1) % 5], 1) for x in range(5)]
        lanes = [[lanes[x][y] ^ d[x] for y in range(5)] for x in range(5)]
        x, y, current = 1, 0, lanes[1][0]
        for t in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            current, lanes[x][y] = lanes[x][y], turned(current, (t + 1) * (t + 2) // 2 % 64)
        for y in range(5):
            row = [lanes[x][y] for x in range(5)]
            for x in range(5):
                lanes[x][y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5])
        for j in range(7):
            r = ((r << 1) ^ ((r >> 7) * 0x71)) % 256
            if r & 2:
                lanes[0][0] ^= 1 << ((1 << j) - 1)
    return lanes


def keccak(data):
    padded = bytearray(data + b'\1' + bytes(-(len(data) + 1) % RATE))
    padded[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), RATE):
        for i in range(RATE // 8):
            lanes[i % 5][i // 5] ^= int.from_bytes(padded[start + 8 * i:start + 8 * i + 8], 'little')
        lanes = permute(lanes)
    return b''.join(lanes[i % 5][i // 5].to_bytes(8, 'little') for i in range(4))


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(k):
    """k times the generator."""
    sum_, power = None, G
    while k:
        if k & 1:
            sum_ = add(sum_, power)
        power, k = add(power, power), k >> 1
    return sum_


def address(key):
    x, y = times(key)
    return '0x' + keccak(x.to_bytes(32, 'big') + y.to_bytes(32, 'big'))[12:].hex()


def sign(key, digest):
    """r, s, v of 27 or 28, as promises carry it."""
    k = secrets.randbelow(N - 1) + 1
    x, y = times(k)
    r = x % N
    s = pow(k, -1, N) * (int.from_bytes(digest, 'big') + r * key) % N
    odd = y & 1
    if s > N // 2:
        s, odd = N - s, odd ^ 1
    return r.to_bytes(32, 'big') + s.to_bytes(32, 'big') + bytes([27 + odd])


def promise_digest(chain_id, channel, amount, fee, hashlock):
    return keccak(chain_id.to_bytes(32, 'big') + channel.rjust(32, b'\0') + amount.to_bytes(32, 'big') +
                  fee.to_bytes(32, 'big') + hashlock.rjust(32, b'\0'))
