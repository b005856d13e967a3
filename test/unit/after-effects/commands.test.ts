import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AerenderJob, aerenderCommand, afterFxCommand } from '../../../src/engines/aerender/commands.ts';

const windows = {
  aerender: 'C:\\AE 2024\\Support Files\\aerender.exe',
  afterfx: 'C:\\AE 2024\\Support Files\\AfterFX.com',
  version: '24.2',
  directory: 'C:\\AE 2024\\Support Files',
};
const mac = {
  aerender: '/Applications/Adobe After Effects 2024/aerender',
  afterfx: '/Applications/Adobe After Effects 2024/Adobe After Effects 2024.app',
  version: '24.2',
  directory: '/Applications/Adobe After Effects 2024',
};
const linux = { aerender: '/sim/aerender', afterfx: '/sim/AfterFX', version: null, directory: '/sim' };

const job: AerenderJob = {
  project: '/w/bind/bound.aep',
  comp: 'Hauptkomposition "ä" -comp',
  output: '/w/frames/frame_[#####].png',
  renderSettings: null,
  outputModule: null,
  start: null,
  end: null,
  sound: null,
  mfrPercent: null,
  memoryPercent: null,
  reuse: false,
  close: 'DO_NOT_SAVE_CHANGES',
  continueOnMissingFootage: false,
};

test('a script runs in a new After Effects without windows', () => {
  assert.deepEqual(afterFxCommand(windows, 'C:\\Users\\Zoë\\bind.jsx', 'win32'), {
    file: windows.afterfx,
    args: ['-m', '-noui', '-r', 'C:\\Users\\Zoë\\bind.jsx'],
  });
  assert.deepEqual(afterFxCommand(linux, '/w/bind.jsx', 'linux'), {
    file: '/sim/AfterFX',
    args: ['-m', '-noui', '-r', '/w/bind.jsx'],
  });
});

test('macOS: AppleScript asks the application, the path of the script is an argument and never script text', () => {
  const evil = '/w/a" & (do shell script "id") & "/bind.jsx';
  const { file, args } = afterFxCommand(mac, evil, 'darwin');
  assert.equal(file, 'osascript');
  assert.deepEqual(args, [
    '-e',
    'on run argv',
    '-e',
    'with timeout of 86400 seconds',
    '-e',
    'tell application "/Applications/Adobe After Effects 2024/Adobe After Effects 2024.app" to DoScriptFile (item 1 of argv)',
    '-e',
    'end timeout',
    '-e',
    'end run',
    evil,
  ]);
  const odd = { ...mac, afterfx: '/Apps/a "b" \\c.app' };
  assert.match(afterFxCommand(odd, 's', 'darwin').args[5] ?? '', /"\/Apps\/a \\"b\\" \\\\c\.app"/);
});

test('aerender is told the least: progress, and that nothing is saved', () => {
  assert.deepEqual(aerenderCommand(linux, job), {
    file: '/sim/aerender',
    args: [
      '-project',
      '/w/bind/bound.aep',
      '-comp',
      'Hauptkomposition "ä" -comp',
      '-output',
      '/w/frames/frame_[#####].png',
      '-v',
      'ERRORS_AND_PROGRESS',
      '-close',
      'DO_NOT_SAVE_CHANGES',
    ],
  });
});

test('aerender is told everything that a node or a template sets', () => {
  const all: AerenderJob = {
    ...job,
    renderSettings: 'Best Settings',
    outputModule: 'H.264 - Match Render Settings - 15 Mbps',
    start: 0,
    end: 89,
    sound: false,
    mfrPercent: 80,
    memoryPercent: { image: 50, max: 90 },
    reuse: true,
    close: 'DO_NOT_CLOSE',
    continueOnMissingFootage: true,
  };
  assert.deepEqual(aerenderCommand(windows, all), {
    file: windows.aerender,
    args: [
      '-project',
      '/w/bind/bound.aep',
      '-comp',
      'Hauptkomposition "ä" -comp',
      '-RStemplate',
      'Best Settings',
      '-OMtemplate',
      'H.264 - Match Render Settings - 15 Mbps',
      '-output',
      '/w/frames/frame_[#####].png',
      '-s',
      '0',
      '-e',
      '89',
      '-sound',
      'OFF',
      '-mfr',
      'ON',
      '80',
      '-mem_usage',
      '50',
      '90',
      '-v',
      'ERRORS_AND_PROGRESS',
      '-close',
      'DO_NOT_CLOSE',
      '-reuse',
      '-continueOnMissingFootage',
    ],
  });
  assert.deepEqual(aerenderCommand(mac, { ...job, sound: true }).args.slice(6, 8), ['-sound', 'ON']);
});
