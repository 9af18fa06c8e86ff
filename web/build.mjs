// Writes the page: node build.mjs [FOLDER], docs/web by default. The models in it stay.
import {copyFile, mkdir, readFile, writeFile} from 'node:fs/promises';
import {fileURLToPath} from 'node:url';
import {gzipSync} from 'node:zlib';
import {build} from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const output = process.argv[2] ?? here('../docs/web');
// LiteRT for browsers with relaxed SIMD, half as fast again, and for all others. Its threads want
// headers that a plain server does not send.
const litert = {litert: 'litert_wasm_internal', 'litert-compat': 'litert_wasm_compat_internal'};

await mkdir(output, {recursive: true});
await build({
  entryPoints: {app: here('src/app.js'), worker: here('src/worker.js')},
  outdir: output,
  bundle: true,
  minify: true,
  format: 'iife', // LiteRT loads itself by importScripts, which a module has not
  target: 'es2022',
  logLevel: 'warning',
});
for (const name of ['index.html', 'style.css', 'icon.svg', 'digits.png'])
  await copyFile(here(name), `${output}/${name}`);
for (const [name, file] of Object.entries(litert)) {
  const source = here(`node_modules/@litertjs/core/wasm/${file}`);
  await writeFile(`${output}/${name}.js`, await readFile(`${source}.js`)); // a copy would be executable
  // Packed, because plain servers send it as it lies: 2.8 MB instead of 9.3.
  await writeFile(`${output}/${name}.wasm.gz`, gzipSync(await readFile(`${source}.wasm`), {level: 9}));
}
