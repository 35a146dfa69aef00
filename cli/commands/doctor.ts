/** `birthmark doctor`: is everything in place on this host, and if not, what to do. */

import type { Command } from 'commander';
import type { WhoAmI } from '#common/protocol/messages.ts';
import type { Context } from '../context.ts';
import { diagnoseEngine, fault, ok, warning, type Finding } from '../diagnosis.ts';
import { inspectEngine } from '../docker.ts';
import { engineLimits } from '../engine-limits.ts';
import { runtimeFindings } from '../engine/runtime-findings.ts';
import { ExitCode } from '../exit-codes.ts';
import { printFinding } from '../finding-lines.ts';

export function addDoctor(program: Command, context: Context): void {
	program
		.command('doctor')
		.description('check engine, plugin, enforcement, CA, clock and tmpfs on this host')
		.option('--plugin <name>', 'name under which the plugin is installed', 'birthmark')
		.option('--json', 'print JSON')
		.action(async ({ plugin }: { plugin: string }) => {
			const engine = await inspectEngine(plugin).catch((error: unknown) => error as Error);
			const limits = engine instanceof Error ? [] : engineLimits(engine);
			const runtime = engine instanceof Error ? [] : await runtimeFindings(engine, isOfThisHost());
			const findings = [...diagnoseEngine(engine, plugin, context.now()), ...runtime, ...limits, await checkOperator(context)];
			const healthy = findings.every((finding) => finding.verdict !== 'fault');
			if (context.wantsJson()) context.output.json({ healthy, findings });
			else for (const finding of findings) printFinding(context.output, finding);
			if (!healthy) process.exitCode = ExitCode.unhealthy;
		});
}

/** The way from this command to the CA; having none is no fault on a mere engine host. */
async function checkOperator(context: Context): Promise<Finding> {
	try {
		const { body, date } = await context.ca().call('GET', '/v1/whoami');
		const me = JSON.parse(body) as WhoAmI;
		const skew = date === undefined ? 0 : Math.abs(context.now().getTime() - date.getTime()) / 1000;
		if (skew > 30) return fault('operator', `this clock is ${skew.toFixed(0)} s from the CA's`, 'synchronize the clocks');
		return ok('operator', `${me.name} in trust domain ${me.trustDomain}`);
	} catch (error) {
		const message = error instanceof Error ? error.message : String(error);
		return warning('operator', message, 'only needed for ls, show, revoke and node on this machine');
	}
}

const isOfThisHost = (): boolean => /^(?:unix:.*)?$/.test(process.env['DOCKER_HOST'] ?? '');
