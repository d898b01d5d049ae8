"""The same requests in the same order to our node and to the reference: status, content type, error code
and shape of each answer compared. What differs on purpose is in INTENDED, each with its reason."""
import json
import os
import re
import sys

import back_ends
import world
import network
from world import STATE, Failed, Node, inside, sh, wait_for
from network import DemoError

UNKNOWN = '0x' + '34' * 20
CLIENTS_USE = ('content-type', 'location', 'cache-control', 'content-disposition', 'www-authenticate', 'allow', 'access-control-allow-origin',
               'access-control-allow-methods', 'access-control-allow-headers', 'vary')
FOREIGN, OWN = {'Origin': 'http://localhost:3000'}, {'Origin': 'http://127.0.0.1:4050'}
# (method, path, body[, headers]); ID is the node's own identity, SERVICE the service started last. A body
# that is text is sent as it is.
REQUESTS = [
    ('GET', '/healthcheck', None, FOREIGN), ('GET', '/healthcheck', None, OWN), ('OPTIONS', '/healthcheck', None, FOREIGN), ('OPTIONS', '/healthcheck', None),
    ('POST', '/identities', {'passphrase': ''}, FOREIGN), ('GET', '/healthcheck', None, {'Host': 'evil.example'}), ('GET', '/healthcheck', None, {'Host': 'localhost'}),
    ('PUT', '/healthcheck', None), ('HEAD', '/healthcheck', None), ('GET', '/healthcheck/', None), ('GET', '//healthcheck', None),
    ('GET', '/healthcheck', None), ('GET', '/nowhere', None), ('POST', '/healthcheck', None),
    ('GET', '/terms', None), ('POST', '/terms', {'agreed_consumer': True, 'agreed_provider': True, 'agreed_version': '0.0.53'}), ('POST', '/terms', 'no json'),
    ('POST', '/auth/authenticate', {'username': 'myst', 'password': 'mystberry'}), ('POST', '/auth/authenticate', {'username': 'myst', 'password': 'x'}),
    ('POST', '/auth/authenticate', 'no json'), ('POST', '/auth/login', {'username': 'myst', 'password': 'mystberry'}),
    ('POST', '/auth/login', {'username': '', 'password': ''}), ('PUT', '/auth/password', {'username': 'myst', 'old_password': 'x', 'new_password': 'y'}),
    ('DELETE', '/auth/logout', None),
    ('GET', '/config', None), ('GET', '/config/user', None), ('POST', '/config/user', {'data': {'access-policy': {'fetch': '5m'}}}), ('GET', '/config/user', None),
    ('POST', '/config/user', {'data': {'access-policy': {'fetch': None}}}), ('POST', '/config/user', 'no json'), ('GET', '/config/ui/features', None),
    ('GET', '/identities', None), ('POST', '/identities', 'no json'), ('POST', '/identities', {}), ('POST', '/identities', {'passphrase': ''}),
    ('PUT', '/identities/current', {}), ('PUT', '/identities/current', {'passphrase': ''}), ('PUT', '/identities/current', 'no json'),
    ('GET', '/identities/ID', None), ('GET', '/identities/IDUPPER', None), ('GET', f'/identities/{UNKNOWN}', None), ('GET', '/identities/0x12', None),
    ('GET', '/identities/ID/status', None), ('PUT', '/identities/ID/unlock', {'passphrase': ''}), ('PUT', '/identities/ID/unlock', {}),
    ('PUT', '/identities/ID/unlock', 'no json'), ('PUT', f'/identities/{UNKNOWN}/unlock', {'passphrase': ''}),
    ('GET', '/identities/ID/registration', None), ('GET', f'/identities/{UNKNOWN}/registration', None),
    ('POST', '/identities/ID/register', 'no json'), ('POST', '/identities/ID/register', {}), ('POST', f'/identities/{UNKNOWN}/register', {}),
    ('PUT', '/identities/ID/balance/refresh', None), ('PUT', f'/identities/{UNKNOWN}/balance/refresh', None),
    ('GET', '/identities/ID/beneficiary', None), ('GET', '/identities/0x12/beneficiary', None), ('GET', '/identities/ID/beneficiary-status', None),
    ('POST', '/identities/ID/beneficiary', 'no json'),
    ('GET', '/identities/ID/beneficiary-async', None), ('POST', '/identities/ID/beneficiary-async', 'no json'),
    ('POST', '/identities/ID/beneficiary-async', {'address': '0x12'}), ('POST', '/identities/ID/beneficiary-async', {'address': UNKNOWN}),
    ('GET', '/identities/ID/beneficiary-async', None), ('GET', '/identities/ID/eligibility', None), ('GET', '/identities/provider/eligibility', None),
    ('POST', '/identities/export', {'identity': 'ID', 'newpassphrase': 'x'}), ('POST', '/identities/export', {}), ('POST', '/identities/export', 'no json'),
    ('POST', '/identities-import', {}), ('POST', '/identities-import', {'data': 'e30=', 'current_passphrase': 'x', 'new_passphrase': 'y'}), ('POST', '/identities-import', 'no json'),
    ('GET', '/connection', None), ('GET', '/connection?id=7', None), ('GET', '/connection?id=x', None),
    ('PUT', '/connection', {}), ('PUT', '/connection', 'no json'), ('PUT', '/connection', {'consumer_id': 'ID'}),
    ('PUT', '/connection', {'consumer_id': 'ID', 'service_type': 'wireguard', 'filter': {'providers': [UNKNOWN]}}),
    ('PUT', '/connection', {'consumer_id': UNKNOWN, 'service_type': 'wireguard', 'filter': {'providers': [UNKNOWN]}}),
    ('PUT', '/connection', {'consumer_id': 'ID', 'service_type': 'nonsense'}), ('PUT', '/connection', {'consumer_id': 'ID', 'connect_options': {'dns': 'nonsense'}}),
    ('DELETE', '/connection', None), ('DELETE', '/connection?id=7', None), ('GET', '/connection/statistics', None), ('GET', '/connection/traffic', None),
    ('GET', '/connection/ip', None), ('GET', '/connection/location', None), ('GET', '/location', None),
    ('GET', '/proposals', None), ('GET', '/proposals?service_type=wireguard&location_country=LT', None), ('GET', '/proposals?compatibility_min=x', None),
    ('GET', '/proposals?quality_min=x', None), ('GET', '/proposals/countries', None), ('GET', '/proposals/filter-presets', None),
    ('GET', '/prices/current', None), ('GET', '/v2/prices/current', None),
    ('GET', '/services', None), ('POST', '/services', {}), ('POST', '/services', 'no json'), ('POST', '/services', {'provider_id': 'ID', 'type': 'nonsense'}),
    ('POST', '/services', {'provider_id': 'ID', 'type': 'wireguard', 'surprise': 1}), ('GET', '/services/nonsense', None), ('DELETE', '/services/nonsense', None),
    ('GET', '/sessions', None), ('GET', '/sessions?page_size=x', None), ('GET', '/sessions?date_from=nonsense', None), ('GET', '/sessions?direction=x', None),
    ('GET', '/sessions?page=7&page_size=5', None), ('GET', '/sessions/stats-aggregated', None), ('GET', '/sessions/stats-daily', None),
    ('GET', '/sessions/stats-daily?date_from=2026-01-30&date_to=2026-02-02', None), ('GET', '/sessions-connectivity-status', None),
    ('GET', '/node/monitoring-status', None), ('GET', '/node/provider/sessions', None), ('GET', '/node/provider/sessions?range=7d', None), ('GET', '/node/provider/quality', None),
    ('GET', '/v2/transactor/fees', None), ('GET', '/transactor/fees', None), ('POST', '/transactor/settle/sync', 'no json'),
    ('POST', '/transactor/settle/sync', {}), ('GET', '/transactor/settle/history', None), ('GET', '/transactor/settle/history?page_size=x', None),
    ('GET', '/transactor/settle/history?date_from=x', None), ('GET', '/transactor/settle/history?types=settlement&types=withdrawal', None),
    ('GET', '/transactor/chain-summary', None),
    ('GET', '/connection/proxy/ip', None), ('GET', '/connection/proxy/ip?port=x', None), ('GET', '/connection/proxy/ip?port=10001', None),
    ('GET', '/connection/proxy/location', None), ('GET', '/connection/proxy/location?port=x', None), ('GET', '/connection/proxy/location?port=10001', None),
    ('POST', '/transactor/settle/async', 'no json'), ('POST', '/transactor/settle/async', {}), ('POST', '/transactor/settle/async', {'provider_id': 'ID', 'hermes_ids': []}),
    ('POST', '/transactor/settle/sync', {'provider_id': UNKNOWN, 'hermes_ids': [UNKNOWN]}),
    ('POST', '/config/user', {}), ('POST', '/config/user', {'data': None}), ('POST', '/config/user', {'data': {'nonsense': {'deep': 1}}}), ('POST', '/config/user', {'data': {'nonsense': None}}),
    ('POST', '/terms', {}), ('POST', '/terms', {'agreed_version': 7}), ('GET', '/terms', None),
    ('PUT', '/identities/current', {'id': 'ID', 'passphrase': ''}), ('PUT', '/identities/current', {'id': 'ID', 'passphrase': 'wrong'}), ('PUT', '/identities/current', {'id': UNKNOWN, 'passphrase': ''}),
    ('PUT', '/identities/ID/unlock', {'passphrase': 'wrong'}), ('PUT', '/identities/nonsense/unlock', {'passphrase': ''}),
    ('POST', '/identities/ID/register', {'stake': 'x'}), ('POST', '/identities/ID/register', {'beneficiary': 'x'}), ('POST', '/identities/ID/register', {'referral_token': 'x'}),
    ('GET', '/identities/nonsense/registration', None), ('PUT', '/identities/nonsense/balance/refresh', None),
    ('POST', '/identities-import', {'data': 'not base64', 'current_passphrase': 'x'}), ('POST', '/identities-import', {'data': '', 'current_passphrase': ''}),
    ('PUT', '/connection', {'consumer_id': 'ID', 'service_type': 'wireguard', 'provider_id': UNKNOWN}),
    ('PUT', '/connection', {'consumer_id': 'ID', 'service_type': 'wireguard', 'provider_id': UNKNOWN, 'hermes_id': 'x'}),
    ('PUT', '/connection', {'consumer_id': 'ID', 'service_type': 'wireguard', 'filter': {'providers': [UNKNOWN], 'ip_type': 'nonsense'}}),
    ('PUT', '/connection', {'consumer_id': 7}), ('PUT', '/connection', []), ('PUT', '/connection', None), ('DELETE', '/connection?id=x', None),
    ('GET', '/connection/statistics?id=x', None), ('GET', '/connection/statistics?id=10001', None),
    ('GET', '/proposals?compatibility_max=x', None), ('GET', '/proposals?provider_id=x', None), ('GET', '/proposals?preset_id=x', None), ('GET', '/proposals?preset_id=99', None), ('GET', '/proposals?preset_id=2', None), ('GET', '/proposals/countries?preset_id=99', None),
    ('GET', '/proposals?access_policy=all', None), ('GET', '/proposals?ip_type=residential&quality_min=1', None), ('GET', '/proposals?sort_by=nonsense', None),
    ('GET', '/sessions?page=x', None), ('GET', '/sessions?page=0', None), ('GET', '/sessions?page_size=0', None), ('GET', '/sessions?page=-1', None), ('GET', '/sessions?date_to=x', None),
    ('GET', '/sessions?service_type=wireguard&status=New', None), ('GET', '/sessions?status=nonsense', None), ('GET', '/sessions?direction=Provided', None),
    ('POST', '/services', {'provider_id': 'ID'}), ('POST', '/services', {'type': 'wireguard'}), ('POST', '/services', {'provider_id': UNKNOWN, 'type': 'wireguard'}),
    ('POST', '/services', {'provider_id': 'ID', 'type': 'wireguard', 'access_policies': {'ids': ['nonsense']}}),
    ('POST', '/services', {'provider_id': 'ID', 'type': 'wireguard'}), ('POST', '/services', {'provider_id': 'ID', 'type': 'wireguard'}), ('GET', '/services', None),
    ('GET', '/services/SERVICE', None), ('DELETE', '/services/SERVICE', None), ('DELETE', '/services/SERVICE', None), ('GET', '/services/SERVICE', None), ('GET', '/services', None),
    ('PUT', '/auth/password', {'username': 'myst', 'old_password': 'mystberry', 'new_password': 'another'}),
    ('POST', '/auth/authenticate', {'username': 'myst', 'password': 'mystberry'}), ('POST', '/auth/authenticate', {'username': 'myst', 'password': 'another'}),
    ('POST', '/auth/login', {'username': 'myst', 'password': 'another'}), ('PUT', '/auth/password', 'no json'), ('PUT', '/auth/password', {}), ('DELETE', '/auth/authenticate', None),
]
CONNECT = {'consumer_id': 'ID', 'service_type': 'wireguard', 'hermes_id': 'HERMES', 'filter': {'providers': ['PROVIDER']}, 'connect_options': {}}
# Then, with a provider to connect to; and the end.
WITH_PROVIDER = [
    ('GET', '/proposals', None), ('GET', '/proposals?provider_id=PROVIDER&service_type=wireguard', None), ('GET', '/proposals?provider_id=PROVIDER&service_type=noop', None),
    ('GET', '/proposals?location_country=ZZ', None), ('GET', '/proposals?compatibility_min=3', None), ('GET', '/proposals?compatibility_max=1', None), ('GET', '/proposals/countries', None),
    ('PUT', '/connection', {**CONNECT, 'service_type': 'noop'}), ('PUT', '/connection', CONNECT), ('PUT', '/connection', CONNECT), ('PUT', '/connection', {**CONNECT, 'consumer_id': UNKNOWN}),
    ('GET', '/connection', None), ('GET', '/connection?id=7', None), ('GET', '/connection/statistics', None), ('GET', '/connection/traffic', None), ('GET', '/connection/ip', None),
    ('GET', '/connection/location', None), ('GET', '/location', None), ('GET', '/sessions', None), ('GET', '/sessions?status=New', None), ('GET', '/sessions?direction=Consumed', None),
    ('GET', '/identities/ID?later', None), ('GET', '/healthcheck', None), ('DELETE', '/connection?id=7', None), ('DELETE', '/connection', None), ('DELETE', '/connection', None), ('GET', '/connection?id=0', None),
    ('GET', '/connection/statistics', None), ('GET', '/sessions', None), ('GET', '/sessions?status=Completed&provider_id=PROVIDER&service_type=wireguard', None),
    ('GET', '/sessions?consumer_id=ID', None), ('GET', '/sessions?page=1&page_size=1', None), ('GET', '/sessions/stats-aggregated', None), ('GET', '/sessions/stats-daily', None),
    ('GET', '/stop', None), ('POST', '/stop', None),
]

# request (as printed) -> reason. docs/compatibility.md has the same list in words.
INTENDED = {}
for line in open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'rest_intended.txt'), encoding='utf-8'):
    if line.strip() and not line.startswith('#'):
        request, _, reason = line.partition(' :: ')
        INTENDED[request.strip()] = reason.strip()


service = {}   # kind -> the service started last
provider = None


def ask(node, method, path, body, extra=None):
    own = node.identity or ''
    known = {'PROVIDER': provider.identity, 'HERMES': back_ends.hermes()} if provider else {}
    for name, value in known.items():
        path = path.replace(name, value)
    path = path.replace('IDUPPER', own.upper().replace('0X', '0x')).replace('ID', own).replace('SERVICE', service.get(node.kind, 'none'))
    words = ['curl', '-sS', '-m', '60', *(['-I'] if method == 'HEAD' else ['-X', method, '-D', '-']), '--path-as-is', f'{world.API}{path}']
    for name, value in (extra or {}).items():
        words += ['-H', f'{name}: {value}']
    if body is not None:
        text = body if isinstance(body, str) else json.dumps(body)
        for name, value in {'ID': own, **known}.items():
            text = text.replace(f'"{name}"', json.dumps(value))
        words += ['-H', 'Content-Type: application/json', '-d', text]
    done = sh(*inside(node.role, *words), check=False, timeout=70)
    head, _, content = done.stdout.partition('\n\n')
    lines = head.split('\n')
    status = int(lines[0].split()[1]) if len(lines[0].split()) > 1 else 0
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(':') for line in lines[1:])}
    kept = {name: headers[name] for name in CLIENTS_USE if name in headers}
    if 'set-cookie' in headers:   # the token differs, its attributes must not
        kept['set-cookie'] = re.sub('Expires=[^;]*', 'Expires', re.sub('=[^;]*', '', headers['set-cookie'], count=1))
    if (method, path) == ('POST', '/services') and status == 201:
        service[node.kind] = json.loads(content)['id']
    return status, kept, content.strip()


def shape(value, depth=0):
    """JSON as names and kinds. Lists by their first element, maps with addresses as names by one of them."""
    if isinstance(value, dict):
        names = {'0x…' if re.fullmatch('0x[0-9a-fA-F]{40}', k) else k: v for k, v in value.items()}
        return {k: shape(v, depth + 1) for k, v in sorted(names.items())}
    if isinstance(value, list):
        return [shape(value[0], depth + 1)] if value else []
    if isinstance(value, bool):
        return 'bool'
    if isinstance(value, (int, float)):
        return 'number'
    return 'null' if value is None else 'text'


def describe(path, answer):
    status, headers, content = answer
    kind = {**headers, 'content-type': headers.get('content-type', '').split(';')[0]}
    try:
        value = json.loads(content)
    except ValueError:
        return status, kind, 'text' if content else 'empty'
    if isinstance(value, dict) and 'error' in value and isinstance(value['error'], dict):
        error = value['error']
        return status, kind, {'code': error.get('code'), 'fields': sorted(error.get('fields') or {}), 'names': sorted(error), 'outer': sorted(value)}
    if path.startswith('/config'):
        return status, kind, 'object'   # the keys are each program's own
    return status, kind, shape(value)


def add_place():
    """A third home, for the provider both connect to."""
    network.LINKS += [('router-third', '45.70.0.10/24', '45.70.0.1/24', 'internet'), ('third', '192.168.70.2/24', '192.168.70.1/24', 'router-third')]
    network.SPACES += ['router-third', 'third']


def open_place():
    inner = ('PREROUTING', '-i', 'eth0', '-p', 'udp', '--dport', '10000:60000', '-j', 'DNAT', '--to-destination', '192.168.70.2')
    sh(*inside('router-third', 'sysctl', '-qw', 'net.ipv4.ip_forward=1'))
    sh(*inside('router-third', 'iptables', '-t', 'nat', '-A', 'POSTROUTING', '-o', 'eth0', '-j', 'MASQUERADE'))
    sh(*inside('router-third', 'iptables', '-t', 'nat', '-A', *inner))


def main():
    global provider
    bad = 0
    try:
        add_place()
        back_ends.up('hub')
        open_place()
        nodes = {}
        for role, kind in (('provider', 'ref'), ('consumer', 'ours')):
            node = nodes[kind] = Node(role, kind, 'direct', f'{STATE}/rest/{kind}', daemon=True)
            node.start()
            node.identity = node.get('POST', '/identities', {'passphrase': ''})['id'] if node.identity is None else node.identity
        well = 0
        for number, (method, path, body, *more) in enumerate(REQUESTS + WITH_PROVIDER):
            if number == len(REQUESTS):
                provider = Node('third', 'ours', 'direct', f'{STATE}/rest/third', daemon=False)
                provider.start()
                for node in nodes.values():
                    wait_for('the proposal', lambda: [p for p in node.proposals() if p['provider_id'] == provider.identity], 30)
            extra = more[0] if more else None
            name = f'{method} {path}' + ('' if body is None else f' {body if isinstance(body, str) else json.dumps(body)}') + (f' {json.dumps(extra)}' if extra else '')
            theirs, ours = (describe(path, ask(nodes[kind], method, path, body, extra)) for kind in ('ref', 'ours'))
            well += 200 <= theirs[0] < 300
            if theirs == ours and theirs[0] != 0:
                print(f'ok rest {name}', flush=True)
                if name in INTENDED:
                    print(f'# no difference any more: {name}')
            elif name in INTENDED:
                print(f'ok rest {name} (on purpose: {INTENDED[name]})', flush=True)
            else:
                bad += 1
                print(f'not ok rest {name}\n#   reference {json.dumps(theirs)}\n#   ours      {json.dumps(ours)}', flush=True)
        # Nothing is compared where a filter in front of the API refuses everything.
        enough = well > len(REQUESTS + WITH_PROVIDER) // 4
        bad += not enough
        print(f'{"ok" if enough else "not ok"} rest {well} of {len(REQUESTS + WITH_PROVIDER)} requests are answered with success by the reference', flush=True)
    except (Failed, DemoError) as problem:
        bad += 1
        print(f'not ok rest {problem}', flush=True)
    finally:
        back_ends.down()
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
