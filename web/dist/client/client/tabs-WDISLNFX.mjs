import{a,b}from"./chunk-YI323KO5.mjs";import"./chunk-NJETVZAS.mjs";import"./chunk-WSDBAFL4.mjs";export{a as join,b as serve};
