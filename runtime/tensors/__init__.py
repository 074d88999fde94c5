"""Between images and the tensors of a model: conversion, validation, signature."""
