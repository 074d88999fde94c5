"""Tensors of a model: conversion from images, validation, signature."""
