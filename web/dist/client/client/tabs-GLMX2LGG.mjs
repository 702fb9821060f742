import{a,b}from"./chunk-BH6V6BJE.mjs";import"./chunk-NJETVZAS.mjs";import"./chunk-UXYMKYJY.mjs";export{a as join,b as serve};
