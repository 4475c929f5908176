/**
 * The element's own style sheet. Every `--seat-map-*` variable can be set from outside (docs/seat-map.md).
 */
export const styles = new CSSStyleSheet();
styles.replaceSync(`
:host {
  display: block; position: relative; min-height: 320px; overflow: hidden; contain: layout paint style;
  --_bg: var(--seat-map-background, #fbfaf7);
  --_ink: var(--seat-map-ink, #1c1b22);
  --_muted: var(--seat-map-muted, #63606b);
  --_line: var(--seat-map-line, #d9d5cc);
  --_taken: var(--seat-map-taken, #d8d4cb);
  --_own: var(--seat-map-own, #f5a800);
  --_own-ink: var(--seat-map-own-ink, #1c1b22);
  --_shape: var(--seat-map-shape, #ece8df);
  --_shape-ink: var(--seat-map-shape-ink, #57535e);
  --_surface: var(--seat-map-surface, #ffffff);
  --_accent: var(--seat-map-accent, #0a6c6e);
  --_warn: var(--seat-map-warn, #9a3412);
  --_shadow: 0 1px 2px rgb(20 18 28 / .08), 0 6px 20px rgb(20 18 28 / .10);
  font-family: var(--seat-map-font, ui-sans-serif, system-ui, "Noto Sans", "Noto Sans Devanagari", sans-serif);
  font-size: 15px; line-height: 1.35; color: var(--_ink); background: var(--_bg);
}
:host([data-dark]) {
  --_bg: var(--seat-map-background, #12161b);
  --_ink: var(--seat-map-ink, #f1efe9);
  --_muted: var(--seat-map-muted, #a7abb5);
  --_line: var(--seat-map-line, #343c47);
  --_taken: var(--seat-map-taken, #39414c);
  --_own: var(--seat-map-own, #ffc13d);
  --_own-ink: var(--seat-map-own-ink, #17130a);
  --_shape: var(--seat-map-shape, #202730);
  --_shape-ink: var(--seat-map-shape-ink, #b5b9c2);
  --_surface: var(--seat-map-surface, #1c222a);
  --_accent: var(--seat-map-accent, #5fd0c5);
  --_warn: var(--seat-map-warn, #ffb28a);
  --_shadow: 0 1px 2px rgb(0 0 0 / .4), 0 8px 24px rgb(0 0 0 / .45);
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
button { font: inherit; color: inherit; cursor: pointer; }
:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
.stage, .overlay, .labels, .grid { position: absolute; inset: 0; }
.stage { overflow: hidden; }
.pane { position: absolute; left: 0; top: 0; transform-origin: 0 0; will-change: transform; }
.pane canvas { position: absolute; display: block; }
.overlay { width: 100%; height: 100%; pointer-events: none; }
.labels { overflow: hidden; pointer-events: none; }
.label {
  position: absolute; left: 0; top: 0; display: grid; justify-items: center; padding: 3px 9px 4px; border-radius: 10px;
  background: color-mix(in srgb, var(--_surface) 88%, transparent); box-shadow: 0 0 0 1px var(--_line);
  font-size: 12px; line-height: 1.25; white-space: nowrap; font-variant-numeric: tabular-nums;
}
.label-name { font-weight: 650; }
.label-free { color: var(--_muted); }
.label.full { opacity: .8; }
.label.full .label-name { text-decoration: line-through; text-decoration-thickness: 1px; }
.label.small { padding: 1px 6px 2px; font-size: 11px; }
.label.small .label-free { display: none; }
.grid { cursor: grab; touch-action: none; user-select: none; -webkit-user-select: none; outline-offset: -4px; }
.grid:active { cursor: grabbing; }
.grid.on-seat { cursor: pointer; }
.grid > div { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.top { position: absolute; inset: 0 0 auto 0; display: flex; flex-direction: column; align-items: stretch; gap: 8px; padding: 10px 12px; pointer-events: none; }
.top > * { pointer-events: auto; }
.legend { display: flex; gap: 8px; overflow-x: auto; scrollbar-width: none; padding: 2px; margin: -2px; align-self: flex-start; max-width: 100%; }
.legend::-webkit-scrollbar { display: none; }
.chip {
  display: inline-flex; align-items: center; gap: 7px; min-height: 44px; padding: 6px 14px 6px 11px; border-radius: 22px; white-space: nowrap;
  border: 1px solid var(--_line); background: var(--_surface); box-shadow: 0 1px 2px rgb(20 18 28 / .06); flex: none;
}
.chip-name { font-weight: 560; }
.chip-price { color: var(--_muted); font-variant-numeric: tabular-nums; }
.chip[aria-pressed="false"] { background: transparent; box-shadow: none; border-style: dashed; }
.chip[aria-pressed="false"] .swatch { opacity: .3; }
.chip[aria-pressed="false"] .chip-name { text-decoration: line-through; font-weight: 450; color: var(--_muted); }
.swatch { width: 18px; height: 18px; flex: none; }
.banner {
  align-self: flex-start; display: flex; align-items: center; gap: 9px; padding: 9px 14px; border-radius: 12px; max-width: 560px;
  background: var(--_surface); box-shadow: var(--_shadow); border-inline-start: 4px solid var(--_warn); font-weight: 520;
}
.banner.good { border-color: var(--_accent); }
.foot { position: absolute; inset: auto 0 0 0; display: flex; align-items: flex-end; justify-content: space-between; gap: 12px; padding: 10px 12px; pointer-events: none; }
.key { list-style: none; margin: 0; padding: 7px 12px; display: flex; flex-wrap: wrap; gap: 4px 14px; font-size: 13px; border-radius: 12px; background: color-mix(in srgb, var(--_surface) 92%, transparent); }
.key li { display: inline-flex; align-items: center; gap: 6px; color: var(--_muted); }
.key .swatch { width: 15px; height: 15px; }
.tools { display: flex; flex-direction: column; gap: 8px; pointer-events: auto; margin-inline-start: auto; }
.tools button {
  width: 44px; height: 44px; border-radius: 12px; border: 1px solid var(--_line); background: var(--_surface); display: grid; place-items: center; box-shadow: var(--_shadow);
}
.icon { width: 20px; height: 20px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.tip, .callout, .typing { position: absolute; left: 0; top: 0; background: var(--_surface); border-radius: 12px; box-shadow: var(--_shadow), 0 0 0 1px var(--_line); }
.tip { padding: 8px 12px; pointer-events: none; max-width: 240px; }
.tip b { display: block; }
.tip span { color: var(--_muted); font-size: 13px; }
.callout { padding: 12px 14px 14px; width: min(300px, calc(100% - 24px)); border-top: 4px solid var(--_warn); }
.callout p { margin: 0 32px 8px 0; font-weight: 600; }
.callout .near { margin: 0 0 8px; color: var(--_muted); font-weight: 450; font-size: 14px; }
.callout .offers { display: flex; flex-wrap: wrap; gap: 8px; }
.callout .offers button { min-height: 44px; padding: 6px 14px; border-radius: 10px; border: 1.5px solid var(--_accent); background: transparent; font-weight: 600; }
.callout .shut { position: absolute; right: 2px; top: 0; width: 44px; height: 44px; border: 0; background: transparent; display: grid; place-items: center; }
.typing { left: 50%; top: 45%; transform: translate(-50%, -50%); padding: 10px 20px; font-size: 22px; font-weight: 650; pointer-events: none; }
.cover { position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; gap: 6px; text-align: center; padding: 24px; background: var(--_bg); }
.cover.light { background: none; pointer-events: none; align-content: end; padding-bottom: 90px; color: var(--_muted); }
.cover h2 { margin: 8px 0 0; font-size: 20px; }
.cover p { margin: 0 0 12px; color: var(--_muted); max-width: 36ch; }
.cover .action { min-height: 44px; padding: 8px 20px; border-radius: 12px; border: 0; background: var(--_accent); color: var(--_bg); font-weight: 600; text-decoration: none; display: inline-grid; place-items: center; }
.live { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@container (max-width: 560px) { .key { display: none; } .foot { padding: 8px; } .top { padding: 8px; } }
.frame { position: absolute; inset: 0; container-type: inline-size; }
@media (prefers-reduced-motion: no-preference) {
  .callout { animation: rise .18s ease-out; }
  @keyframes rise { from { opacity: 0; margin-top: 8px; } }
}
@media (forced-colors: active) { .chip, .tools button, .banner, .callout, .tip { border: 1px solid CanvasText; } }
`);
