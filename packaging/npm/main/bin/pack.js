#!/usr/bin/env node
'use strict';
// Starts the program of the package for this processor, and ends as it ends.

const { spawn } = require('node:child_process');
const { constants } = require('node:os');

const name = `pack-oci-${process.platform}-${process.arch}`;

function program() {
  try {
    return require.resolve(`${name}/bin/pack`);
  } catch {
    const known = process.platform === 'linux' && ['arm64', 'x64'].includes(process.arch);
    console.error(
      known
        ? `error: the package ${name} is not installed; install again without --omit=optional and --no-optional`
        : `error: there is no pack for ${process.platform}-${process.arch}: it runs on Linux, x64 and arm64`,
    );
    process.exit(1);
  }
}

const child = spawn(program(), process.argv.slice(2), { stdio: 'inherit' });
// A terminal sends Ctrl-C to both; other senders know this process alone.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => child.kill(signal));
}
child.on('error', (error) => {
  console.error(`error: ${name} cannot be started: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code));
