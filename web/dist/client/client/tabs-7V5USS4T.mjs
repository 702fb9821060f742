import{a,b}from"./chunk-3LI6KQGB.mjs";import"./chunk-NJETVZAS.mjs";import"./chunk-QP5F4SKW.mjs";export{a as join,b as serve};
