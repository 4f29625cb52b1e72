/** `import text from './file?raw'` is the text of the file: vite's way, done for the bundle in esbuild.config.mjs. */
declare module '*?raw' {
  const text: string;
  export default text;
}
