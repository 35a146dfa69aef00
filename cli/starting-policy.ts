/** The file that `birthmark policy init` writes: the names that a node may authorize, and examples. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';

/** As the CA writes allow rules: `cn-pattern/role-pattern`. */
const ALLOW_RULE = /^[A-Za-z0-9*?._-]{1,128}\/[A-Za-z0-9*?._-]{1,128}$/;

const HEADER = `// Who may run, enter or give power to which containers on this host (docs/policy.md).
// What no rule permits is refused, and a forbid beats every permit. The plugin reads this file again
// whenever it has changed. Try it out first:
//
//     birthmark policy check
//     birthmark policy test --cn api01 --ou web-api --image registry.example.com/api:1

// Names. The CA's allow list of this node holds as well: a name needs both.
`;

const EXAMPLES = `
// Examples; take the slashes away.

// @id("no-root") @reason("it runs as root") @remedy("run it with --user UID:GID")
// forbid (principal, action == Action::"run", resource) when { resource.user == "root" };

// @id("only-our-images") @remedy("use an image of registry.example.com")
// forbid (principal, action == Action::"run", resource) unless { resource.image.repository like "registry.example.com/*" };

// @id("alice-enters-api")
// permit (principal == Caller::"alice", action == Action::"exec", resource) when { resource.ou == "web-api" };

// @id("monitoring-sees-the-host")
// permit (principal, action == Action::"reach-host", resource) when { resource.image.repository == "prom/node-exporter" };
`;

/**
 * @param allow rules as the CA has them
 * @throws BirthmarkError `usage` for anything else
 */
export function startingPolicy(allow: readonly string[]): string {
	const ids = new Set<string>();
	const rules = allow.map((rule) => {
		if (!ALLOW_RULE.test(rule)) throw new BirthmarkError('usage', `${quote(rule)} is not an allow rule: write cn-pattern/role-pattern, for example api*/web-api`);
		const [cn = '', ou = ''] = rule.split('/');
		const conditions = [condition('cn', cn), condition('ou', ou)].filter(Boolean).join(' && ');
		const when = conditions === '' ? '' : `\nwhen { ${conditions} }`;
		return `// ${rule}\n@id("${freeId(ids, rule)}")\npermit (principal, action == Action::"run", resource)${when};\n`;
	});
	const none = '// The node may authorize nothing yet: add rules when it may.\n';
	return [HEADER, ...(rules.length > 0 ? rules : [none])].join('\n') + EXAMPLES;
}

/** @throws BirthmarkError `usage` when there is one already, or it cannot be written */
export function writeStartingPolicy(path: string, text: string): void {
	try {
		mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
		writeFileSync(path, text, { flag: 'wx', mode: 0o644, flush: true });
	} catch (cause) {
		const { code } = cause as NodeJS.ErrnoException;
		if (code === 'EEXIST') throw new BirthmarkError('usage', `there is a policy in ${path} already; edit it, or choose another file with --file`, { cause });
		throw new BirthmarkError('usage', `${path} cannot be written (${code})`, { cause });
	}
}

/** Cedar has no wildcard for one character; the CA still counts. */
function condition(attribute: string, pattern: string): string {
	if (/^\*+$/.test(pattern)) return '';
	if (!/[*?]/.test(pattern)) return `resource.${attribute} == "${pattern}"`;
	return `resource.${attribute} like "${pattern.replaceAll('?', '*').replace(/\*+/g, '*')}"`;
}

function freeId(taken: Set<string>, rule: string): string {
	const base = `run-${rule.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^-+|-+$/g, '') || 'all'}`.slice(0, 56);
	let id = base;
	for (let number = 2; taken.has(id); number++) id = `${base}-${number}`;
	taken.add(id);
	return id;
}
