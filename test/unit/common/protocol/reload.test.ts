import test from 'ava';
import { match, ok } from 'node:assert/strict';
import { isIP } from 'node:net';
import fc from 'fast-check';
import { parseReload, parseServedAddress, type Reload, type ServedAddress } from '#common/protocol/reload.ts';
import { mutated } from '../../../support/mutation.ts';
import { holds } from '../../../support/property.ts';

class Refusal extends Error {}
const refuse = (why: string) => new Refusal(why);

const reloads: ReadonlyArray<readonly [string, Reload]> = [
	['signal:HUP', { way: 'signal', signal: 'SIGHUP' }],
	['signal:SIGUSR2', { way: 'signal', signal: 'SIGUSR2' }],
	['exec:nginx -s reload', { way: 'exec', command: ['nginx', '-s', 'reload'] }],
	['exec:  /usr/sbin/nginx   -s\treload ', { way: 'exec', command: ['/usr/sbin/nginx', '-s', 'reload'] }],
	['exec:["sh","-c","kill -HUP $(cat /run/pid)"]', { way: 'exec', command: ['sh', '-c', 'kill -HUP $(cat /run/pid)'] }],
	['http://127.0.0.1:8080/reload', { way: 'http', to: { host: '127.0.0.1', port: 8080 }, path: '/reload' }],
	['http://localhost:8080/a?b=c&d', { way: 'http', to: { host: '127.0.0.1', port: 8080 }, path: '/a?b=c&d' }],
	['http://127.0.0.1', { way: 'http', to: { host: '127.0.0.1', port: 80 }, path: '/' }],
	['http://[::1]:2019/load', { way: 'http', to: { host: '::1', port: 2019 }, path: '/load' }],
	['http://unix:/run/app.sock:/reload', { way: 'http', to: { socketPath: '/run/app.sock' }, path: '/reload' }],
];
for (const [text, reload] of reloads) {
	test(`reload by ${text}`, (t) => {
		t.deepEqual(parseReload(text, refuse), reload);
	});
}

const noReloads: ReadonlyArray<readonly [string, RegExp]> = [
	['', /use signal:HUP/],
	['HUP', /use signal:HUP/],
	['signal:', /one of the signals/],
	['signal:KILL', /one of the signals/],
	['signal:TERM', /one of the signals/],
	['signal:hup', /one of the signals/],
	['signal:HUP ', /one of the signals/],
	['exec:', /no program/],
	['exec:   ', /no program/],
	['exec:[]', /no program/],
	['exec:[""]', /no program/],
	['exec:["a",1]', /no program/],
	['exec:["a"', /no program/],
	['exec:["a","b\\u0000c"]', /no program/],
	['exec:nginx -s reload; rm x', /no shell/],
	['exec:sh -c "x"', /no shell/],
	['exec:echo $HOME', /no shell/],
	['exec:a && b', /no shell/],
	[`exec:a${' b'.repeat(33)}`, /more than 32/],
	[`exec:${'a'.repeat(1024)}`, /longer than 1024/],
	['http://10.0.0.1/reload', /the container itself/],
	['http://example.com/reload', /the container itself/],
	['http://127.0.0.1@example.com/', /the container itself/],
	['http://127.0.0.1.example.com/', /the container itself/],
	['http://127.0.0.1:0/', /the container itself/],
	['http://127.0.0.1:65536/', /the container itself/],
	['http://127.0.0.1:80/a b', /the container itself/],
	['http://127.0.0.1:80/a\r\nX: y', /the container itself/],
	['http://127.0.0.1:80/#a', /the container itself/],
	['http://127.0.0.1:80?a', /the container itself/],
	['http://unix:run/app.sock:/', /the container itself/],
	['http://unix:/run/app.sock', /the container itself/],
	[`http://unix:/${'a'.repeat(107)}:/`, /the container itself/],
	['https://127.0.0.1/reload', /use signal:HUP/],
];
for (const [text, why] of noReloads) {
	test(`no reload by ${JSON.stringify(text.slice(0, 60))}`, (t) => {
		t.throws(() => parseReload(text, refuse), { message: why });
	});
}

const ports: ReadonlyArray<readonly [string, ServedAddress]> = [
	['8443', { host: '127.0.0.1', port: 8443 }],
	['8443/api.example.com', { host: '127.0.0.1', port: 8443, serverName: 'api.example.com' }],
	['192.0.2.1:443', { host: '192.0.2.1', port: 443 }],
	['[::1]:443/api', { host: '::1', port: 443, serverName: 'api' }],
	['postgres:5432', { host: '127.0.0.1', port: 5432, startTls: 'postgres' }],
	['postgres:[2001:db8::1]:5432/db', { host: '2001:db8::1', port: 5432, serverName: 'db', startTls: 'postgres' }],
];
for (const [text, address] of ports) {
	test(`served at ${text}`, (t) => {
		t.deepEqual(parseServedAddress(text, refuse), address);
	});
}

const noPorts: ReadonlyArray<readonly [string, RegExp]> = [
	['', /use a port/],
	['0', /use a port/],
	['65536', /use a port/],
	['08443', /use a port/],
	['8443,8444', /use a port/],
	['example.com:443', /use a port/],
	['1.2.3:443', /use a port/],
	['999.0.0.1:443', /use a port/],
	['[fe80::1%eth0]:443', /use a port/],
	['::1:443', /use a port/],
	['smtp:25', /postgres, and nothing else/],
	['8443/', /no host name/],
	['8443/API', /no host name/],
	['8443/10.0.0.1', /no host name/],
	['8443/a/b', /no host name/],
	['8443/a\n', /no host name|use a port/],
];
for (const [text, why] of noPorts) {
	test(`not served at ${JSON.stringify(text)}`, (t) => {
		t.throws(() => parseServedAddress(text, refuse), { message: why });
	});
}

/** What is read of a text, undefined when it is refused; whatever else is thrown is a fault. */
function attempt<T>(read: (text: string, refuse: (why: string) => Error) => T, text: string): T | undefined {
	try {
		return read(text, refuse);
	} catch (error) {
		ok(error instanceof Refusal, String(error));
		return undefined;
	}
}

/** Texts that are nearly right, and any other. */
const near = (right: readonly string[]) => fc.oneof(
	fc.constantFrom(...right).chain((text) => mutated(Buffer.from(text)).map((bytes) => bytes.toString('utf8'))),
	fc.string({ unit: 'binary' }),
);

test('whatever is read as a reload stays in the container, and within one line of a request', (t) => {
	holds(t, 5000, fc.property(near(reloads.map(([text]) => text)), (text) => {
		const reload = attempt(parseReload, text);
		if (reload?.way === 'signal') match(reload.signal, /^SIG(?:HUP|USR1|USR2)$/);
		if (reload?.way === 'exec') ok(reload.command[0] !== '' && reload.command.every((word) => !word.includes('\0')));
		if (reload?.way !== 'http') return;
		match(reload.path, /^\/[!-~]*$/);
		if ('socketPath' in reload.to) match(reload.to.socketPath, /^\/[!-~]+$/);
		else ok(['127.0.0.1', '::1'].includes(reload.to.host) && reload.to.port >= 1 && reload.to.port <= 65_535);
	}));
});

test('whatever is read as a port is an address with a port', (t) => {
	holds(t, 5000, fc.property(near(ports.map(([text]) => text)), (text) => {
		const served = attempt(parseServedAddress, text);
		if (served) ok(isIP(served.host) !== 0 && served.port >= 1 && served.port <= 65_535 && /^[a-z0-9.-]*$/.test(served.serverName ?? ''));
	}));
});
